// Cross-entropy of class logits:
//     loss = scale sum_rows (log sum_j exp(x[j]) - x[label])
//     dx   = scale (softmax(x) - [j = label])
#pragma once

#include "nn/nn.h"

struct softmax_loss_call {
    struct call call;
    const int32_t *labels;
    float scale;
};

// A row is a position of logits, its classes the channels. labels is [rows]; a row with a negative
// one does not count.
struct tensor *softmax_loss_forward(struct nn *nn, struct tensor *logits, const int32_t *labels,
                                    float scale);
