// How a reduction over positions (nn/cuda/columns.h) is cut into blocks, for the kernel and for
// those who count what it costs. It follows from the size of an image alone.
#pragma once

#include <stdint.h>

enum {
    COLUMN_THREADS = 512,
    COLUMN_MAX_CHANNELS = 128, // of a block
    COLUMN_VALUES = 16384,     // that a block reads at least
    // Of an image: few enough for the last one to add up what they found in some microseconds, and
    // enough to read memory at its speed.
    COLUMN_BLOCKS = 256,
};

struct column_cuts {
    int64_t channels; // of a block, a power of two
    int64_t groups;   // blocks side by side
    int64_t pieces;   // blocks below each other
};

static inline struct column_cuts column_cuts_of(int64_t rows, int64_t c) {
    int64_t channels = 1;
    while (channels < COLUMN_MAX_CHANNELS && channels < c)
        channels *= 2;
    int64_t groups = (c + channels - 1) / channels;
    int64_t rows_of_block = COLUMN_VALUES / channels;
    int64_t pieces = (rows + rows_of_block - 1) / rows_of_block;
    int64_t most = groups < COLUMN_BLOCKS ? COLUMN_BLOCKS / groups : 1;
    if (pieces > most) pieces = most;
    struct column_cuts cuts = {channels, groups, pieces > 0 ? pieces : 1};
    return cuts;
}
