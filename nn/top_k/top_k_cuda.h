// Choosing and sorting on CUDA, for the operations that are built of it. All pointers are in the
// device's reach.
//
// What is sorted is a 64-bit key: above, the bits of a score, turned so that the best is the
// smallest; below, an index, which decides between equal scores. Keys come in lists of equal
// length, which are chosen and sorted at once: a few for each image.
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

// The score of a key; NaN of that of NaN and of NO_KEY.
static __device__ inline float score_of_key(uint64_t key) {
    uint32_t rank = (uint32_t)(key >> 32);
    uint32_t bits = rank >> 31 ? rank : ~rank & 0x7fffffffu;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

// How many of count ascending keys rank before key.
static __device__ inline int64_t keys_before(const uint64_t *keys, int64_t count, uint64_t key) {
    int64_t begin = 0;
    for (int64_t end = count; begin < end;) {
        int64_t middle = begin + (end - begin) / 2;
        if (keys[middle] < key)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

// Sorts each of the lists of keys[lists, each]. Returns where they are then: keys, or spare, which
// has as much room and may be NULL if each is at most SORT_CHUNK.
uint64_t *cuda_sort(struct nn *nn, uint64_t *keys, uint64_t *spare, int64_t lists, int64_t each);

// The scores of which each image's best are chosen: count of an image, those of the first one
// before those of the next.
struct selection {
    const float *scores;
    int64_t count;
    int64_t k;    // how many; of fewer scores all
    int64_t base; // added to the index of a score within its image
};

enum { MAX_SELECTIONS = 8 };

struct selections {
    struct selection of[MAX_SELECTIONS];
    int number;
    int64_t images;
    // Where the scores of each image begin, and the end, [images + 1], in units; NULL: after count
    // of each. With begins, count is the most that an image may have.
    const int32_t *begins;
    int64_t unit;
};

// The chosen keys of each image and selection come in any order to the front of a list of
// keys[images, number, each], where each is no less than any k; behind them NO_KEY.
void cuda_select(struct nn *nn, const struct selections *selections, uint64_t *keys, int64_t each);
