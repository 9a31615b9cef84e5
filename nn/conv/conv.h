// The gated convolution, the operation that this project exists for:
//
//     y = relu(norm(conv(x g)) + bias + residual)
//
// - g: a gate (nn/gate/gate.h) on the input, or none. It costs one reading pass over x, whose sums
//   are shared by all gates that read x. Then the smaller of the two is scaled: x, or the input
//   channels of the weights, since conv(x g; W) = conv(x; W g).
// - conv: cross-correlation with zero padding, grouped or not.
// - norm: frozen batch norm, folded into weights and bias. (Group norm is an operation of its own.)
//
// Backward, for y = conv(x g; W), dz the gradient behind ReLU (derivation: product rule and, for
// the gate's gradient, linearity of the convolution in each input channel):
//     dWx = conv_backward_weights(x, dz)       dW[o,c] = g[c] dWx[o,c]
//     dg[c] = sum_S dy x = <W[.,c], dWx[.,c]>  no pass over activations
//     dx = g conv_backward_data(W, dz) + what flows back through the gate
// A stride-1 backward_data is a convolution of dz with the weights turned by 180 degrees and their
// channels swapped, and is run as one.
#pragma once

#include "nn/gate/gate.h"
#include "nn/nn.h"
#include "nn/norm.h"
#include "nn/parameters.h"

struct conv_cache;

struct conv {
    const char *label;
    int64_t in_channels, out_channels, groups;
    int64_t kernel, stride, padding;
    struct parameter *weight;       // [out, in / groups, kernel, kernel]
    struct parameter *bias;         // [out], or NULL
    const struct frozen_norm *norm; // or NULL
    const struct gate *gate;        // or NULL
    // A gate with l2 embeddings reads the result, whose squares a device may sum up as it writes
    // it.
    bool gate_follows;
    // Images that are computed together: 1 for feature maps, which fill the machine one by one;
    // more for the small maps of RoIs.
    int64_t images_at_once;
    bool float32_result;      // for losses and decisions, whatever type activations have
    struct conv_cache *cache; // the device's copies of the weights; owned by the nn that runs it
};

struct conv_call {
    struct call call;
    struct conv *conv;
    struct tensor *residual;
    bool relu;
    float *gates; // [n, in], kept for the backward pass; NULL without a gate
};

// [n, h, w, in] to [n, oh, ow, out], oh = (h + 2 padding - kernel) / stride + 1. residual (NULL:
// none) has the result's shape.
struct tensor *conv_forward(struct nn *nn, struct conv *conv, struct tensor *x,
                            struct tensor *residual, bool relu);

int64_t conv_out_size(const struct conv *conv, int64_t size);
