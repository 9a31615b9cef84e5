// How passes over [n, rows, c] are cut into blocks: threads side by side take neighbouring
// channels, so that a warp reads one piece of memory, and a thread goes down the rows of its
// channel with what it needs of that channel in registers.
#pragma once

#include "nn/cuda/kernel.h"
#include "nn/cuda/tile_sizes.h"

static_assert((int)TILE_THREADS == (int)BLOCK_THREADS, "a block's threads");

struct tiles {
    dim3 grid; // pieces of the channels, of the rows, images
    dim3 block;
};

// rows_each: about how many rows one thread takes.
static inline struct tiles tiles_of(int64_t n, int64_t rows, int64_t c, int64_t rows_each) {
    unsigned columns = (unsigned)tile_columns(c);
    struct tiles tiles = {
        dim3(blocks_for(c, columns), (unsigned)tile_pieces(rows, c, rows_each),
             (unsigned)(n < TILE_MAX_BLOCKS ? n : TILE_MAX_BLOCKS)),
        dim3(columns, TILE_THREADS / columns),
    };
    return tiles;
}

// The channel of a thread; it may lie beyond the last.
static __device__ inline int64_t tile_channel() {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

static __device__ inline int64_t tile_first_row() {
    return (int64_t)blockIdx.y * blockDim.y + threadIdx.y;
}

static __device__ inline int64_t tile_row_step() {
    return (int64_t)gridDim.y * blockDim.y;
}
