// Whether a file's numbers can be a network's: one that is none, or a negative variance, would
// spread through everything and look like a network that finds nothing.
#pragma once

#include "nn/parameters.h"

// Checks the values of a parameter that came from tensor of file: all are finite, and variances are
// not negative.
MUST_CHECK enum status weights_check(const struct parameter *parameter, const char *file,
                                     const char *tensor, struct error *err);
