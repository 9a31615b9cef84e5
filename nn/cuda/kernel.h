// What the operations' .cu files share: the program's headers as C++ sees them, launches on the
// context's stream, and operands that lie in the host's memory.
#pragma once

#include "nn/cuda/commands.h"
#include "nn/cuda/gpu.h"

// Headers of the system go first, so that none of them is read as C below.
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern "C" {
#include "base/check.h"
#include "nn/cuda/backend.h"
#include "nn/host_device.h"
#include "nn/nn.h"
#include "nn/parameters.h"

#define OP(name)                                                                                   \
    void cuda_##name##_forward(struct nn *nn, struct call *call);                                  \
    void cuda_##name##_backward(struct nn *nn, struct call *call);
#define FORWARD(name) void cuda_##name##_forward(struct nn *nn, struct call *call);
#include "nn/ops.def"
#undef OP
#undef FORWARD
}

// Launches on the context's stream, as a command. Nothing runs after a failure.
#define LAUNCH(nn, kernel, grid, block, shared_bytes, ...)                                         \
    command_launch(nn, #kernel, kernel, grid, block, shared_bytes, __VA_ARGS__)

// Blocks of so many threads for count of them, which is not 0.
static inline unsigned blocks_for(int64_t count, int64_t threads) {
    return (unsigned)((count + threads - 1) / threads);
}

enum { BLOCK_THREADS = 256 }; // of most kernels

// The index of a thread among all of a one-dimensional grid.
static __device__ inline int64_t global_index() {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

// Counters of blocks, NUM_TICKETS of them, for is_last_block (block.h); 0 between launches.
enum { NUM_TICKETS = 65535 };
unsigned *cuda_tickets(const struct nn *nn);

// ---- Operands ----

// Kernels get addresses that the device can use. What an operation is given may lie elsewhere
// (labels, targets, indices that the caller has, parameters in the program's memory); then it is
// copied to step memory for the time of the call, and back if it is written to.
enum { MAX_OPERANDS = 16 };

struct operands {
    struct nn *nn;
    int count;
    struct copy {
        void *host, *device;
        int64_t bytes;
        bool back;
    } copies[MAX_OPERANDS];
};

enum operand_use { OPERAND_IN, OPERAND_OUT, OPERAND_IN_OUT };

// NULL for NULL, and for nothing.
void *operand_bytes(struct operands *operands, const void *data, int64_t bytes,
                    enum operand_use use);

// Brings results back, waiting for them if there are any, and frees the copies.
void operands_end(struct operands *operands);

template <class Type>
static inline const Type *operand_in(struct operands *operands, const Type *data, int64_t count) {
    return (const Type *)operand_bytes(operands, data, count * (int64_t)sizeof *data, OPERAND_IN);
}

template <class Type>
static inline Type *operand_out(struct operands *operands, Type *data, int64_t count) {
    return (Type *)operand_bytes(operands, data, count * (int64_t)sizeof *data, OPERAND_OUT);
}

template <class Type>
static inline Type *operand_in_out(struct operands *operands, Type *data, int64_t count) {
    return (Type *)operand_bytes(operands, data, count * (int64_t)sizeof *data, OPERAND_IN_OUT);
}

static inline const float *operand_values(struct operands *operands, const struct parameter *p) {
    return p ? operand_in(operands, p->data, p->count) : NULL;
}

// Of a parameter's gradient, which accumulates; NULL if it has none.
static inline float *operand_gradient(struct operands *operands, const struct parameter *p) {
    return p && p->grad ? operand_in_out(operands, p->grad, p->count) : NULL;
}

// ---- Memory ----

// Copies on the device, or between it and the host without waiting.
void cuda_copy(struct nn *nn, void *to, const void *from, int64_t bytes);
void cuda_zero(struct nn *nn, void *to, int64_t bytes);
// Memory on the device that lives as long as nn: for what follows from parameters and is not made
// anew in every step. NULL after a failure.
float *cuda_keep(struct nn *nn, int64_t num_floats);
// Waits until all that was launched has ended.
void cuda_wait(struct nn *nn);
