// How many pieces a pass over rows of channels is cut into (nn/cuda/tiles.h), for the kernels and
// for those who count what they cost.
#pragma once

#include <stdint.h>

enum {
    TILE_THREADS = 256,
    TILE_MAX_COLUMNS = 32,
    TILE_ROWS_EACH = 8,
    TILE_ROWS_EACH_OF_SUM = 32, // that one thread adds up in float
    TILE_OF_PRODUCT = 64,       // rows and columns of a product that a block of our own computes
};
static const int64_t TILE_MAX_BLOCKS = 65535;

// Threads side by side.
static inline int64_t tile_columns(int64_t c) {
    int64_t columns = 1;
    while (columns < TILE_MAX_COLUMNS && columns < c)
        columns *= 2;
    return columns;
}

// rows_each: about how many rows one thread takes.
static inline int64_t tile_pieces(int64_t rows, int64_t c, int64_t rows_each) {
    int64_t rows_of_block = TILE_THREADS / tile_columns(c) * rows_each;
    int64_t pieces = (rows + rows_of_block - 1) / rows_of_block;
    if (pieces > TILE_MAX_BLOCKS) pieces = TILE_MAX_BLOCKS;
    return pieces > 0 ? pieces : 1;
}
