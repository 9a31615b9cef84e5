// The softmax of a row by a warp, for the operations that need many (nn/softmax/softmax_math.h).
#pragma once

#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/softmax/softmax_math.h"
}

// All 32 lanes of a warp must call it; each gets the row's.
static __device__ inline struct softmax_row softmax_row_of_warp(const float *x, int64_t c) {
    const unsigned all = 0xffffffffu;
    int64_t lane = threadIdx.x % 32;
    struct softmax_row row = {x[0], 0};
    for (int64_t j = lane; j < c; j += 32)
        row.max = x[j] > row.max ? x[j] : row.max;
    for (int by = 16; by > 0; by /= 2) {
        float other = __shfl_xor_sync(all, row.max, by);
        row.max = other > row.max ? other : row.max;
    }
    for (int64_t j = lane; j < c; j += 32)
        row.sum += (double)expf(x[j] - row.max);
    for (int by = 16; by > 0; by /= 2)
        row.sum += __shfl_xor_sync(all, row.sum, by);
    return row;
}
