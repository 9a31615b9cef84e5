// The sum of the squares of many numbers, in double: the gradients' norm is its root.
#pragma once

#include "nn/nn.h"

struct squares_call {
    struct call call;
    const float *values;
    int64_t count;
    double *sum;
};

// Waits for it. 0 after a failure. Numbers that are not finite make a sum that is not.
double squares_forward(struct nn *nn, const float *values, int64_t count);
