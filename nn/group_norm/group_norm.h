// Group normalisation (Wu and He, "Group Normalization", ECCV 2018, eqs. 1 to 5): the channels of
// an image are cut into groups, and each group gets mean 0 and variance 1 before the usual scale
// and shift of its channels.
//
// For each image and group, over the group's channels at all positions (m numbers):
//     mean = sum x / m        variance = sum (x - mean)^2 / m     (biased)
//     t    = (x - mean) / sqrt(variance + epsilon)
//     y    = relu(weight[c] t + bias[c] + residual)
// Backward, with dt = dy weight[c]:
//     dx = (dt - sum dt / m - t sum (dt t) / m) / sqrt(variance + epsilon)
//     dweight[c] = sum dy t                dbias[c] = sum dy
#pragma once

#include "nn/nn.h"
#include "nn/parameters.h"

struct group_norm {
    const char *label;
    int64_t channels, groups;        // 32 groups; they must divide the channels
    float epsilon;                   // 1e-5
    struct parameter *weight, *bias; // [channels]
};

struct group_norm_call {
    struct call call;
    const struct group_norm *norm;
    struct tensor *residual;
    bool relu;
    float *statistics; // [n, groups, 2]: mean and 1 / sqrt(variance + epsilon)
};

// residual may be NULL.
struct tensor *group_norm_forward(struct nn *nn, const struct group_norm *norm, struct tensor *x,
                                  struct tensor *residual, bool relu);
