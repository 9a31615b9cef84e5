// The tensors of the network: float32, channels last.
//
// Four extents always: [n, h, w, c], the channels of one position side by side in memory (NHWC). A
// matrix of rows is [n, 1, 1, c], a single number [1, 1, 1, 1]. Model files and PyTorch keep [n, c,
// h, w]; only their readers and writers know.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct call;

struct tensor {
    int64_t n, h, w, c;
    float *data;     // NHWC; on the plan device, an address that cannot be used
    float *grad;     // dLoss/ddata, once the backward pass has reached this tensor; NULL before
    bool wants_grad; // something trainable lies behind it
    bool saved;      // a recorded call needs the data in the backward pass
    // The embedding of each channel that a gate reads, [n, c]; computed by the first gate that
    // reads this tensor and shared by the others. NULL before.
    float *embedding;
    int embedding_kind; // enum gate_embedding
    // What grad still lacks, on CUDA: pull[n, c] data, through the sums of gates. The backward pass
    // of the producer adds it (nn/gate/gate_defers.h). NULL: nothing.
    float *pull;
    const struct call *producer; // that computed data; NULL: none
};

static inline int64_t tensor_count(const struct tensor *t) {
    return t->n * t->h * t->w * t->c;
}

// Positions: all but the channels.
static inline int64_t tensor_rows(const struct tensor *t) {
    return t->n * t->h * t->w;
}

static inline bool tensor_same_shape(const struct tensor *a, const struct tensor *b) {
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c;
}
