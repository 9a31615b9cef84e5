// Winograd's minimal filtering for 3x3 convolutions of stride 1 (Lavin and Gray, "Fast Algorithms
// for Convolutional Neural Networks", CVPR 2016, F(4x4, 3x3)): 4x4 results from a patch of 6x6 by
// 36 products instead of 144.
//
//     Y = A^T [ (G w G^T) . (B^T x B) ] A
//
// summed over input channels, so that the products are 36 matrix products [tiles, in] x [in, out].
// The points of interpolation are 0, +-3/4, +-3/2 and infinity: exact in binary and closer to one
// another than the usual 0, +-1, +-2, which halves the error (with 64 channels 8e-7 of the results'
// RMS, where direct summation has 4e-7). A gate is multiplied in as the patches are read, which
// costs nothing.
#pragma once

#include "nn/conv/conv.h"

struct conv_gradient;

// Whether a convolution of height x width results is worth it.
bool winograd_applies(const struct nn *nn, const struct conv *conv, int64_t height, int64_t width);

// One use: images [count, h, w, c] in, images of the same height and width out.
struct winograd {
    struct conv *conv;
    bool turned; // compute the gradient of the input: from out channels to in channels
    int64_t count, height, width;
    const float *src;
    const float *gates;    // [count, in], or NULL
    const float *bias;     // or NULL
    const float *residual; // like dst, or NULL
    bool relu;
    bool accumulate; // add to what is in dst
    float *dst;
};

void winograd_run(struct nn *nn, const struct winograd *w);

// plain [out, in, 3, 3] = the gradient of the weights.
void winograd_weights_gradient(struct nn *nn, const struct conv_gradient *g, float *plain);
