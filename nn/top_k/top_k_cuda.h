// Choosing and sorting on CUDA, for the operations that are built of it. All pointers are in the
// device's reach.
//
// What is sorted is a 64-bit key: above, the bits of a score, turned so that the best is the
// smallest; below, an index, which decides between equal scores.
#pragma once

#include "nn/cuda/kernel.h"
#include "nn/top_k/sort_sizes.h"

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

// Sorts keys[0..count) in place; behind them must be room up to sort_capacity(count), which is
// overwritten.
void cuda_sort(struct nn *nn, uint64_t *keys, int64_t count);

// The score of a key that is not that of NaN or NO_KEY.
static __device__ inline float score_of_key(uint64_t key) {
    uint32_t rank = (uint32_t)(key >> 32);
    uint32_t bits = rank >> 31 ? rank : ~rank & 0x7fffffffu;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

// The k best of scores[count], 0 < k <= count. In their keys, base is added to the index.
struct selection {
    const float *scores;
    int64_t count, k, base;
    uint64_t *keys; // [k]
};

enum { MAX_SELECTIONS = 8 };

// Makes several selections at once; the keys of each come in any order.
void cuda_select(struct nn *nn, const struct selection *selections, int number);
