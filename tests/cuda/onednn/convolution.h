// One product of nn/cuda/dnn.h on the program's side, by oneDNN: what stands in for a library of
// the device in whole networks, which kernels under the emulator would take minutes for.
#pragma once

#include "nn/cuda/dnn_shape.h"
#include "nn/onednn.h"

// Images are [n, h, w, channels], weights [out, kernel, kernel, in / groups], as on the device.
// What a pass does not read is NULL.
struct convolution_operands {
    const float *x, *weights, *dy;
    const float *bias, *residual; // added to a forward pass's result; each may be NULL
    bool relu;                    // and then this
    bool add;                     // the gradient of x to what is there; all else is overwritten
    float *result;                // y, or the gradient of x or weights
};

MUST_CHECK enum status convolution_compute(struct onednn *dnn, enum dnn_pass pass,
                                           const struct dnn_shape *shape,
                                           const struct convolution_operands *operands,
                                           struct error *err);
