// Squeeze and excitation (Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, eqs. 2 to 4):
// each channel of an image is multiplied by a gate that a small network computes from the means of
// all its channels.
//
//     squeeze     m[c] = mean of x[c] over all positions
//     excitation  g    = sigmoid(fc2(relu(fc1(m))))
//     y = relu(x g + residual)
#pragma once

#include "nn/nn.h"
#include "nn/parameters.h"

struct squeeze_excite {
    const char *label;
    int64_t channels, hidden;
    struct parameter *fc1_weight; // [hidden, channels]
    struct parameter *fc1_bias;   // [hidden]
    struct parameter *fc2_weight; // [channels, hidden]
    struct parameter *fc2_bias;   // [channels]
};

struct squeeze_excite_call {
    struct call call;
    const struct squeeze_excite *se;
    struct tensor *residual;
    bool relu;
    float *state; // kept for the backward pass; squeeze_excite_state_of says what lies where
};

struct squeeze_excite_state {
    float *means;  // [n, c]
    float *gates;  // [n, c]
    float *hidden; // [n, hidden], behind the ReLU
};

static inline struct squeeze_excite_state
squeeze_excite_state_of(const struct squeeze_excite_call *call) {
    int64_t count = call->call.inputs[0]->n * call->se->channels;
    struct squeeze_excite_state state = {call->state, call->state + count, call->state + 2 * count};
    return state;
}

// residual may be NULL.
struct tensor *squeeze_excite_forward(struct nn *nn, const struct squeeze_excite *se,
                                      struct tensor *x, struct tensor *residual, bool relu);
