// The three products that a network spends its time in: a convolution, the gradient of its input
// and that of its weights. Matrix products are convolutions of one position. All pointers are in
// the device's reach; weights are [out, kernel, kernel, in / groups].
//
// Products of matrices, 1 x 1 convolutions of stride 1 among them, are cuBLAS's (nn/cuda/cublas) as
// far as dnn_choice.h says so, all others cuDNN's (nn/cuda/cudnn), where the module was built with
// them; what the first does not do is left to the second. Without both they are kernels of our own
// (implicit_gemm.h), which also take grouped convolutions that cuDNN has no plan for.
//
// Their choice of an algorithm, and so the rounding, depends on all extents. So images go through
// the first two products shape.at_once at a time, always that many, and what is computed for one
// does not depend on the others. It also keeps plans few: the number of regions differs from call
// to call.
//
// What a product reads has one type, and what it writes has that or is float32, where the functions
// say so; sums are float32 (in 16 bits those of tensor cores).
#pragma once

#include "nn/cuda/dnn_shape.h"
#include "nn/cuda/numbers.h"

// What is added to a convolution's result before it is written: bias [out], of float32 always,
// residual like the result; either may be NULL. squares (NULL: not wanted; of images that go one by
// one): of each image the sum of y^2 over its positions, [n, out].
struct dnn_epilogue {
    const float *bias;
    struct numbers residual;
    bool relu;
    float *squares;
};

// y may be float32 if there is no residual.
void dnn_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                 struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y);

// Whether squares are summed up where y is written; otherwise they cost a pass of their own, and
// who needs them may as well make it.
bool dnn_sums_squares(const struct nn *nn);

// dx = (add ? dx : 0) + the gradient.
void dnn_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                       struct numbers weights, bool add, struct numbers dx);

// dweights, of float32 always, is overwritten.
void dnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                          struct numbers dy, float *dweights);
