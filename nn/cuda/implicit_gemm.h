// The three products of nn/cuda/dnn.h as kernels of our own, without tensor cores, with float32
// sums in a fixed order: they need no library, run under the emulator, compute what cuDNN has no
// plan for and are what its results are compared with.
#pragma once

#include "nn/cuda/dnn.h"

void implicit_gemm_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                           struct numbers weights, const struct dnn_epilogue *epilogue,
                           struct numbers y);

void implicit_gemm_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                                 struct numbers weights, bool add, struct numbers dx);

void implicit_gemm_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                                    struct numbers dy, struct numbers dweights);
