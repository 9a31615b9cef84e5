// Transposed convolution with a 2x2 kernel and stride 2, which doubles a map's size (the last layer
// but one of a mask head; He et al., "Mask R-CNN", ICCV 2017, figure 4):
//
//     y[2h + i, 2w + j, o] = relu(sum_c x[h, w, c] W[c, o, i, j] + b[o])        i, j in {0, 1}
//
// Kernels do not overlap, so this is a matrix product of each position with 4 out columns, in the
// order (i, j, o), and a rearrangement, which is done 512 positions at a time while they are in
// the cache.
//
// Backward, with dz the gradient behind ReLU rearranged to [positions, 4 out]:
//     dx = dz W        dW += dz^T x        db += sum of dz over all positions of y
#pragma once

#include "nn/nn.h"
#include "nn/parameters.h"

struct deconv_cache;

struct deconv {
    const char *label;
    int64_t in_channels, out_channels;
    struct parameter *weight;   // [in, out, 2, 2]
    struct parameter *bias;     // [out]
    struct deconv_cache *cache; // the device's copies of the weights; owned by the nn that runs it
};

struct deconv_call {
    struct call call;
    struct deconv *deconv;
    bool relu;
};

// [n, h, w, in] to [n, 2h, 2w, out].
struct tensor *deconv_forward(struct nn *nn, struct deconv *deconv, struct tensor *x, bool relu);
