// The three products of nn/cuda/dnn.h as kernels of our own, in float32 without tensor cores, with
// sums in a fixed order: they need no library, run under the emulator, compute what cuDNN has no
// plan for and are what its results are compared with.
#pragma once

#include "nn/cuda/dnn.h"

void implicit_gemm_forward(struct nn *nn, const struct dnn_shape *shape, const float *x,
                           const float *weights, const struct dnn_epilogue *epilogue, float *y);

void implicit_gemm_backward_data(struct nn *nn, const struct dnn_shape *shape, const float *dy,
                                 const float *weights, bool add, float *dx);

void implicit_gemm_backward_weights(struct nn *nn, const struct dnn_shape *shape, const float *x,
                                    const float *dy, float *dweights);
