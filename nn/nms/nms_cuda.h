// Non-maximum suppression on CUDA, for the operations that are built of it. All pointers are in the
// device's reach.
#pragma once

#include "nn/cuda/kernel.h"

// Lists of boxes, best first, each of which is thinned out by itself.
struct nms_lists {
    int64_t lists, each;
    const float *boxes;    // [lists, each, 4]
    const int32_t *groups; // [lists, each], or NULL: all are one
    const int32_t *counts; // [lists]: how many of each are there; NULL: all
    float threshold;
    int64_t max_keep;  // of a list
    int32_t *kept;     // [lists, each]: the first survivors, as ascending indices
    int32_t *num_kept; // [lists]
};

void cuda_nms(struct nn *nn, const struct nms_lists *lists);
