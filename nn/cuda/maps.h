// Passes over maps [n, h, w, c]: a block takes a piece of one row. So what hangs by the row is the
// same for all of its threads, and each finds its column and channel by one division, in 32 bits.
// (Of 64 bits, which no instruction divides by, four divisions take longer than the memory.)
#pragma once

#include "nn/cuda/kernel.h"

// Where a thread is; the column may lie beyond the last.
struct map_place {
    int64_t image, row, column, channel;
};

// Of BLOCK_THREADS threads; channels in packs where the kernel counts so.
static inline unsigned map_blocks(int64_t n, int64_t h, int64_t w, int64_t c) {
    CHECK(h <= INT32_MAX && w * c <= INT32_MAX - BLOCK_THREADS);
    int64_t blocks = n * h * blocks_for(w * c, BLOCK_THREADS);
    CHECK(blocks <= INT32_MAX);
    return (unsigned)blocks;
}

static __device__ inline struct map_place map_place_of(int64_t h, int64_t w, int64_t c) {
    unsigned pieces = ((unsigned)(w * c) + BLOCK_THREADS - 1) / BLOCK_THREADS;
    unsigned row = blockIdx.x / pieces; // of all images
    unsigned at = blockIdx.x % pieces * BLOCK_THREADS + threadIdx.x;
    return map_place{row / (unsigned)h, row % (unsigned)h, at / (unsigned)c, at % (unsigned)c};
}
