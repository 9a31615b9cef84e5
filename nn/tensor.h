// The tensors of the network, channels last. What is computed is float32; what lies in memory may
// take 16 bits.
//
// Four extents always: [n, h, w, c], the channels of one position side by side in memory (NHWC). A
// matrix of rows is [n, 1, 1, c], a single number [1, 1, 1, 1]. Model files and PyTorch keep [n, c,
// h, w]; only their readers and writers know.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct call;

// How the numbers of a tensor and of its gradient are stored. 16 bits are for activations on
// NN_CUDA, whose kernels load them to float32 and round what they store: most passes take the time
// that their bytes take. Nobody else can read them; all that is not an activation is float32.
enum number_type {
    NUMBER_FLOAT32,
    NUMBER_BF16, // the upper half of a float32: its range, with 8 significant bits
    NUMBER_FP16, // IEEE 754's binary16: 11 significant bits, up to 65504
    NUM_NUMBER_TYPES,
};

struct tensor {
    int64_t n, h, w, c;
    enum number_type type;
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

static inline int64_t number_bytes(enum number_type type) {
    return type == NUMBER_FLOAT32 ? 4 : 2;
}

static inline int64_t tensor_bytes(const struct tensor *t) {
    return tensor_count(t) * number_bytes(t->type);
}

// Positions: all but the channels.
static inline int64_t tensor_rows(const struct tensor *t) {
    return t->n * t->h * t->w;
}

static inline bool tensor_same_shape(const struct tensor *a, const struct tensor *b) {
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c;
}
