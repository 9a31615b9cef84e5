// The parts of a gate on CUDA, shared by the operation and by the convolution that contains it. All
// pointers but those of the gate's parameters are in the device's reach.
#pragma once

#include "nn/cuda/numbers.h"

extern "C" {
#include "nn/gate/gate.h"
}

// Makes x->embedding unless another gate has: for each channel of each image sum_S x^2 (l2),
// sum_S |x| (l1) or max_S |x| (linf).
void cuda_gate_embed(struct nn *nn, const struct gate *gate, struct tensor *x);

// gates[n, c] from embeddings[n, c].
void cuda_gate_compute(struct nn *nn, const struct gate *gate, const float *embeddings, int64_t n,
                       float *gates);

// The gradients of n images' gates: from opened[n, c] = dLoss/dg to the parameters (accumulated)
// and, for the input, pull[n, c]: cuda_gate_pull tells what becomes of it.
void cuda_gate_gradient(struct nn *nn, const struct gate *gate, const float *embeddings,
                        const float *opened, int64_t n, float *pull);

// Has pull[n, c], scratch memory that is handed over, wait for the producer of x.
void cuda_gate_defer(struct nn *nn, struct tensor *x, float *pull);

// What cuda_gate_pull reads, all of n images: x [n, rows, c], scaled (dLoss/d(x g)) like x, and
// gates, embeddings and pull [n, c].
struct gate_flow {
    const struct gate *gate;
    struct numbers x, scaled;
    const float *gates, *embeddings, *pull;
    int64_t n, rows;
};

// grad = (add ? grad : 0) + scaled g + what flows back through the embedding. grad, like x, may be
// scaled.
void cuda_gate_pull(struct nn *nn, const struct gate_flow *flow, bool add, struct numbers grad);
