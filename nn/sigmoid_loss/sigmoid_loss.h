// Cross-entropy of independent yes-or-no logits:
//     loss = scale sum w (max(x, 0) - x t + log(1 + exp(-|x|)))
//     dx   = scale w (sigmoid(x) - t)
#pragma once

#include "nn/nn.h"

struct sigmoid_targets {
    const float *targets;    // one for each element, or for each position if channels is set
    const float *weights;    // like targets, or NULL: all 1. What has weight 0 is not looked at
    const int32_t *channels; // [n]: the channel of each image that counts, or NULL: all
};

struct sigmoid_loss_call {
    struct call call;
    struct sigmoid_targets targets;
    float scale;
};

struct tensor *sigmoid_loss_forward(struct nn *nn, struct tensor *logits,
                                    const struct sigmoid_targets *targets, float scale);
