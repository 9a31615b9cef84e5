// Parameters that follow from their names, so that an implementation in another language can have
// the same ones: splitmix64 of an FNV-1a hash of salt and name, uniform, scaled by the kind of the
// parameter.
#pragma once

#include "nn/parameters.h"

void formula_fill(struct parameters *parameters, const char *salt);
