// The loss of box regression: scale times the weighted sum of smooth L1 (smooth_l1_math.h) over the
// four differences of each row that counts.
#pragma once

#include "nn/nn.h"

struct box_targets {
    const float *targets;  // [rows, 4]
    const float *weights;  // [rows], or NULL: all 1. A row of weight 0 is not looked at
    const int32_t *groups; // [rows]: which four of a row count, or NULL where a row has just four
    int64_t num_groups;    // fours in a row: 1, or the number of classes
};

struct smooth_l1_loss_call {
    struct call call;
    struct box_targets targets;
    int64_t rows;
    float beta;
    float scale;
};

// predictions may have any shape: its memory is taken as [rows, num_groups, 4]. With beta 0 it is
// L1.
struct tensor *smooth_l1_loss_forward(struct nn *nn, struct tensor *predictions,
                                      const struct box_targets *targets, float beta, float scale);
