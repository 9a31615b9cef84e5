// The anchors of all levels of a pyramid as boxes (nn/proposals/proposals.h says which they are).
#pragma once

#include "nn/proposals/proposals.h"

struct anchors_call {
    struct call call;
    const struct proposal_level *levels;
    int num_levels;
    int64_t num_anchors; // at one position
    float *boxes;
};

// boxes[anchors of all levels, 4], level after level, each in the order of its logits. The levels
// are borrowed until this returns; of their logits only the shape is looked at.
void anchors_forward(struct nn *nn, const struct proposal_level *levels, int num_levels,
                     int64_t num_anchors, float *boxes);
