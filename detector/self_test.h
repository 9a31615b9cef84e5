// Tests that a user can run, of what may go wrong on a machine rather than in the code: a library
// that computes something else than it should, or not the same twice. They need no files and a few
// seconds at most.
#pragma once

#include "base/error.h"
#include "nn/nn.h"

struct self_test {
    const char *name;
    const char *claim; // what holds if it passes
    enum status (*run)(const struct nn_options *options, struct error *err);
};

extern const struct self_test SELF_TESTS[]; // ends with a NULL name
