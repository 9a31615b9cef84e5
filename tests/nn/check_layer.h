// The tests of layers of one kind: y = relu(f(x) + residual), of the shape of x, with parameters.
//
//     struct layer_check check = {.n = 2, .h = 3, .w = 5, .c = 8, .layer = &norm, ...};
//     expect_layer(nn, &check, true, true);   // forward and gradients against the reference
//     expect_layer_holds(nn, &check);         // what every layer promises
#pragma once

#include "tests/nn/check_op.h"

enum { LAYER_MAX_PARAMETERS = 8 };

struct layer_check {
    int64_t n, h, w, c;
    const void *layer;
    struct tensor *(*forward)(struct nn *nn, const void *layer, struct tensor *x,
                              struct tensor *residual, bool relu);
    // y = f(x) in double, with values as parameters.
    void (*reference)(const struct layer_check *check, const double *x, double *y);
    int num_parameters;
    struct parameter *parameters[LAYER_MAX_PARAMETERS];
    double *values[LAYER_MAX_PARAMETERS]; // set here
    double low, high;                     // the range of x
    double tolerance, gradient_tolerance;
};

// Results against the reference, gradients of x, residual and parameters against its differences;
// x is read twice, so that its gradient is added to.
void expect_layer(struct nn *nn, struct layer_check *check, bool residual, bool relu);

// Whether few enough numbers go through a ReLU that differences across its kink can be told apart.
bool layer_is_small(const struct layer_check *check);

// The same bits for 1, 2 and 5 threads, with parameters frozen or the input not asking for a
// gradient, and for an image alone; no memory left behind; no images at all.
void expect_layer_holds(struct nn *nn, struct layer_check *check);
