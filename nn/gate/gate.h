// The gated channel transformation, GCT (Yang et al., "Gated Channel Transformation for Visual
// Recognition", CVPR 2020, section 3): each channel of an image is multiplied by a gate that
// follows from the magnitudes of all its channels.
//
// For each image, with S all its positions, zeros of the padding included:
//     embedding      e[c] = sqrt(sum_S x^2 + epsilon)      (l2; eq. 2)
//                    e[c] = sum_S |x|                      (l1)
//                    e[c] = max_S |x|                      (linf)
//                    s[c] = alpha[c] e[c]
//     normalisation  t[c] = s[c] / sqrt(mean_c s^2 + epsilon)         (l2; eq. 3, with epsilon
//                                                                      inside the mean as in the
//                                                                      authors' code)
//                    t[c] = s[c] / (mean_c |s| + epsilon)             (l1)
//                    t[c] = (s[c] - mean_c s) / sqrt(var_c s + epsilon)
//     adaptation     g[c] = 1 + tanh(gamma[c] t[c] + beta[c])         (eq. 4)
//                    or 1 + elu(...), or sigmoid(...)
//     y = x g
// Fresh gates (alpha 1, gamma 0, beta 0) are exactly the identity.
//
// A gate before a convolution is part of that convolution (nn/conv/conv.h), which saves a pass over
// the activations. The operation here is for the places behind one.
#pragma once

#include "nn/nn.h"
#include "nn/norm.h"
#include "nn/parameters.h"

enum gate_embedding { GATE_EMBEDDING_L2, GATE_EMBEDDING_L1, GATE_EMBEDDING_LINF };
enum gate_normalisation {
    GATE_NORMALISATION_L2,
    GATE_NORMALISATION_L1,
    GATE_NORMALISATION_MEAN_VARIANCE,
};
enum gate_activation { GATE_ONE_PLUS_TANH, GATE_ONE_PLUS_ELU, GATE_SIGMOID };

struct gate {
    const char *label;
    int64_t channels;
    enum gate_embedding embedding;
    enum gate_normalisation normalisation;
    enum gate_activation activation;
    float epsilon;                          // 1e-5
    struct parameter *alpha, *gamma, *beta; // [channels]
};

struct gate_call {
    struct call call;
    const struct gate *gate;
    const struct frozen_norm *norm;
    struct tensor *residual;
    bool relu;
    float *gates; // [n, c]
};

// relu(norm(x g) + residual): norm (frozen batch norm) and residual may be NULL.
struct tensor *gate_forward(struct nn *nn, const struct gate *gate, struct tensor *x,
                            const struct frozen_norm *norm, struct tensor *residual, bool relu);

// Whether any of the gate's parameters is trained.
static inline bool gate_trains(const struct gate *gate) {
    return gate->alpha->grad || gate->gamma->grad || gate->beta->grad;
}
