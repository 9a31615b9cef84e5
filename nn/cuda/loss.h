// What the losses share: parts of a sum, added up in double in a fixed order.
#pragma once

#include "nn/cuda/block.h"

extern "C" {
#include "nn/loss.h"
}

enum {
    LOSS_THREADS = 1024, // of a block that sums up a piece: pieces are few
    LOSS_LANES = 32,     // that write a row of a gradient together, where it is that long
};

// How many threads write a row of a gradient: neighbours write what lies side by side.
static inline unsigned loss_lanes(int64_t row_length) {
    return row_length < LOSS_LANES ? 1 : (unsigned)LOSS_LANES;
}

// The pieces of nn/loss.h, a block for each.
static __device__ inline int64_t loss_piece(int64_t count, int64_t part) {
    return count * part / LOSS_PARTS;
}

// out[0] = scale times the sum of parts[LOSS_PARTS].
void cuda_loss_write(struct nn *nn, const double *parts, float scale, struct tensor *out);

// Scratch memory for the parts; NULL after a failure.
static inline double *cuda_loss_parts(struct nn *nn) {
    return (double *)(void *)nn_scratch(nn, LOSS_PARTS * 2);
}
