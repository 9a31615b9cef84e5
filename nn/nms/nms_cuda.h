// Non-maximum suppression on CUDA, for the operations that are built of it. All pointers are in the
// device's reach.
#pragma once

#include "nn/cuda/kernel.h"

// The first max_keep survivors of boxes[count, 4], best first, to kept, as ascending indices, and
// how many they are to num_kept[0]. groups may be NULL. If real_count is not NULL, only the first
// real_count[0] boxes are there.
void cuda_nms(struct nn *nn, const float *boxes, const int32_t *groups, int64_t count,
              const int32_t *real_count, float threshold, int64_t max_keep, int32_t *kept,
              int32_t *num_kept);
