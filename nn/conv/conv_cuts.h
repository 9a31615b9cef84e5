// How the gradient of packed weights (nn/conv/conv_pack.h) is cut into blocks, for the kernel and
// for those who count what it costs.
#pragma once

#include "nn/conv/conv.h"
#include "nn/cuda/tile_sizes.h"

enum {
    CONV_GRADIENT_ROWS_EACH = 4, // outputs that one thread takes at least
    CONV_GRADIENT_BLOCKS = 512,  // few enough for the last one to add up what they found
};

struct conv_cuts {
    int64_t lanes, lines; // threads of a block: channels, outputs
    int64_t chunks;       // blocks side by side
    int64_t pieces;       // blocks below each other
};

static inline struct conv_cuts conv_cuts_of(const struct conv *conv) {
    int64_t channels = conv->in_channels / conv->groups;
    int64_t outputs = conv->out_channels / conv->groups;
    int64_t lanes = tile_columns(channels);
    int64_t lines = TILE_THREADS / lanes;
    int64_t chunks = (channels + lanes - 1) / lanes;
    int64_t rows = conv->kernel == 3 ? lines : lines * CONV_GRADIENT_ROWS_EACH;
    int64_t pieces = (outputs + rows - 1) / rows;
    int64_t most = CONV_GRADIENT_BLOCKS / (chunks * conv->groups);
    if (pieces > most) pieces = most;
    struct conv_cuts cuts = {lanes, lines, chunks, pieces > 0 ? pieces : 1};
    return cuts;
}
