// The parts of a gate on CUDA, shared by the operation and by the convolution that contains it. All
// pointers but those of the gate's parameters are in the device's reach.
#pragma once

#include "nn/cuda/numbers.h"

extern "C" {
#include "nn/gate/gate.h"
}

// The gates [n, c] of x, in scratch memory. Makes x->embedding unless another gate has: for each
// channel of each image sum_S x^2 (l2), sum_S |x| (l1) or max_S |x| (linf).
float *cuda_gate_open(struct nn *nn, const struct gate *gate, struct tensor *x);

// The gradients of the gates of x, dLoss/dg = sum_S scaled values, where scaled is dLoss/d(x g) and
// values are those of x, both of one type: to the parameters (accumulated) and, for the input, to
// pull[n, c]; cuda_gate_pull tells what becomes of it.
void cuda_gate_close(struct nn *nn, const struct gate *gate, const struct tensor *x,
                     struct numbers values, struct numbers scaled, float *pull);

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
