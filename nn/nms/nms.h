// Greedy non-maximum suppression: boxes are taken best first, and each that is kept drops all later
// ones of its group that overlap it by more than the threshold (IoU > threshold, areas without + 1:
// torchvision's and Detectron2's rule).
//
// Boxes without area, or with corners that are not finite, neither drop others nor are dropped.
#pragma once

#include "nn/indices.h"
#include "nn/nn.h"

struct nms_call {
    struct call call;
    const float *boxes;
    const int32_t *groups;
    int64_t count;
    float threshold;
    int64_t max_keep;
    struct indices *kept;
};

// The first max_keep survivors of boxes[count, 4], best first, as ascending indices; kept must have
// room for min(max_keep, count). Only boxes of one group (a class, a level) drop one another;
// groups is [count], of any values, or NULL if all are of one.
void nms_forward(struct nn *nn, const float *boxes, const int32_t *groups, int64_t count,
                 float threshold, int64_t max_keep, struct indices *kept);
