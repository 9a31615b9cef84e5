// Choosing and sorting on CUDA, for the operations that are built of it. All pointers are in the
// device's reach.
//
// What is sorted is a 64-bit key: above, the bits of a score, turned so that the best is the
// smallest; below, an index, which decides between equal scores.
#pragma once

#include "nn/cuda/kernel.h"

// NaN comes last; -0 and 0 are equal.
static __device__ inline uint64_t score_key(float score, int64_t index) {
    uint32_t rank = UINT32_MAX;
    if (score == score) {
        uint32_t bits = __float_as_uint(score + 0.0f);
        rank = bits >> 31 ? bits : ~(bits | 0x80000000u);
    }
    return (uint64_t)rank << 32 | (uint64_t)index;
}

// Behind all keys of scores.
static const uint64_t NO_KEY = UINT64_MAX;

// Room for the sorting of count keys.
int64_t sort_capacity(int64_t count);

// Sorts keys[0..count) in place; behind them must be room up to sort_capacity(count), which is
// overwritten.
void cuda_sort(struct nn *nn, uint64_t *keys, int64_t count);

// The k best of scores[count], sorted, to keys, which has room for sort_capacity(k). k <= count.
void cuda_select(struct nn *nn, const float *scores, int64_t count, int64_t k, uint64_t *keys);
