// A linear (fully connected) layer:
//
//     y = relu(x W^T + b)
//
// x may be maps: the first layer of a box head gets [rois, 7, 7, 256]. PyTorch flattens those in
// the order (c, h, w), and so the weights of its model files are laid out; ours lie in memory in
// the order (h, w, c). The weights are permuted when they are packed, once for each change of the
// parameters, and the activations stay as they are.
//
// Rows are computed 64 at a time (nn/product.h), so that a row's result does not depend on how many
// there are.
//
// Backward, with dz the gradient behind ReLU:
//     dx = dz W        dW += dz^T x        db += sum over rows of dz
#pragma once

#include "nn/nn.h"
#include "nn/parameters.h"

struct linear_cache;

struct linear {
    const char *label;
    int64_t in, out;
    struct parameter *weight;   // [out, in]
    struct parameter *bias;     // [out]
    bool float32_result;        // see struct conv
    struct linear_cache *cache; // the device's copies of the weights; owned by the nn that runs it
};

struct linear_call {
    struct call call;
    struct linear *linear;
    bool relu;
};

// [n, h, w, c] with h w c = in to [n, 1, 1, out].
struct tensor *linear_forward(struct nn *nn, struct linear *linear, struct tensor *x, bool relu);
