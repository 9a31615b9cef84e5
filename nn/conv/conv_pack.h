// A convolution's weights as CUDA's products read them, and their gradients on the way back. All
// pointers but those of parameters are in the device's reach.
#pragma once

#include "nn/cuda/numbers.h"

extern "C" {
#include "nn/conv/conv.h"
}

// packed [out, kernel, kernel, in / groups] from the weights [out, in / groups, kernel, kernel],
// times the norm's scale of their output and the gate of their input: norm [out] and gates [in] may
// be NULL.
void cuda_conv_pack(struct nn *nn, const struct conv *conv, const float *norm, const float *gates,
                    struct numbers packed);

// The weights' gradient += that of packed weights, times the norm and gates (NULL: none).
void cuda_conv_unpack(struct nn *nn, const struct conv *conv, const float *packed,
                      const float *norm);

// The same where the gates of an image were packed with the weights, and packed is the gradient
// without them. In the same launch from the gates' gradient, dLoss/dg[c] = sum over outputs and
// taps of norm W packed, to those of the gate's parameters and to pull[c] (nn/gate/gate_cuda.h),
// which with add_pull is added to. embeddings are the image's.
struct conv_gates {
    const float *gates, *embeddings;
    float *pull;
    bool add_pull;
};

void cuda_conv_unpack_gated(struct nn *nn, const struct conv *conv, const float *packed,
                            const float *norm, const struct conv_gates *gates);
