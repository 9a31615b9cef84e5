// The three products that a network spends its time in: a convolution, the gradient of its input
// and that of its weights. Matrix products are convolutions of one position. All pointers are in
// the device's reach; weights are [out, kernel, kernel, in / groups].
//
// dnn.cu has them as kernels of our own, in float32 with sums in a fixed order: they need no
// library, run under the emulator and are what cuDNN's results will be compared with.
#pragma once

#include "nn/cuda/kernel.h"

struct dnn_shape {
    int64_t n, h, w, in; // of the input
    int64_t out_h, out_w, out;
    int64_t groups, kernel, stride, padding;
};

// One row of a matrix product: [rows, in] to [rows, out].
static inline struct dnn_shape dnn_product(int64_t rows, int64_t in, int64_t out) {
    struct dnn_shape shape = {rows, 1, 1, in, 1, 1, out, 1, 1, 1, 0};
    return shape;
}

// What is added to a convolution's result before it is written: bias [out], residual like the
// result; either may be NULL.
struct dnn_epilogue {
    const float *bias, *residual;
    bool relu;
};

void dnn_forward(struct nn *nn, const struct dnn_shape *shape, const float *x, const float *weights,
                 const struct dnn_epilogue *epilogue, float *y);

// dx = (add ? dx : 0) + the gradient.
void dnn_backward_data(struct nn *nn, const struct dnn_shape *shape, const float *dy,
                       const float *weights, bool add, float *dx);

// dweights is overwritten.
void dnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, const float *x,
                          const float *dy, float *dweights);
