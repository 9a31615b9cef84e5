// The gates of an image as device code, for the kernels that end with them: one block computes
// them, its threads share the channels.
#pragma once

#include "nn/cuda/block.h"

extern "C" {
#include "nn/gate/gate.h"
#include "nn/gate/gate_math.h"
}

// A gate as kernels see it.
struct gate_view {
    int64_t channels;
    enum gate_embedding embedding;
    enum gate_normalisation normalisation;
    enum gate_activation activation;
    float epsilon;
    const float *alpha, *gamma, *beta;
};

static inline struct gate_view gate_view_of(struct operands *operands, const struct gate *gate) {
    return gate_view{gate->channels,
                     gate->embedding,
                     gate->normalisation,
                     gate->activation,
                     gate->epsilon,
                     operand_values(operands, gate->alpha),
                     operand_values(operands, gate->gamma),
                     operand_values(operands, gate->beta)};
}

static __device__ inline float embedding_of(const struct gate_view &gate, float sum) {
    return gate.embedding == GATE_EMBEDDING_L2 ? sqrtf(sum + gate.epsilon) : sum;
}

// s = alpha e
static __device__ inline float magnitude_of(const struct gate_view &gate, const float *sums,
                                            int64_t j) {
    return gate.alpha[j] * embedding_of(gate, sums[j]);
}

// t[c] = (s[c] - mean) / radius
struct normaliser {
    float mean, radius;
};

// Of the image whose sums these are; all threads of the block get it.
static __device__ inline struct normaliser normaliser_of(const struct gate_view &gate,
                                                         const float *sums) {
    double count = (double)gate.channels;
    double epsilon = (double)gate.epsilon;
    double total = 0;
    for (int64_t j = thread_number(); j < gate.channels; j += num_threads()) {
        double s = (double)magnitude_of(gate, sums, j);
        if (gate.normalisation == GATE_NORMALISATION_L2) s *= s;
        if (gate.normalisation == GATE_NORMALISATION_L1) s = fabs(s);
        total += s;
    }
    double mean = block_sum(total) / count;
    double centre = 0;
    double spread = mean;
    if (gate.normalisation == GATE_NORMALISATION_MEAN_VARIANCE) {
        // A second pass: the mean of squares less the squared mean would cancel.
        double variance = 0;
        centre = mean;
        for (int64_t j = thread_number(); j < gate.channels; j += num_threads()) {
            double d = (double)magnitude_of(gate, sums, j) - mean;
            variance += d * d;
        }
        spread = block_sum(variance) / count;
    }
    spread += epsilon;
    if (gate.normalisation != GATE_NORMALISATION_L1) spread = sqrt(spread);
    return normaliser{(float)centre, (float)spread};
}

static __device__ inline float normalised(const struct gate_view &gate, struct normaliser n,
                                          const float *sums, int64_t j) {
    return (magnitude_of(gate, sums, j) - n.mean) / n.radius;
}

// gates[c] from an image's sums.
static __device__ inline void open_gates_of(const struct gate_view &gate, const float *sums,
                                            float *gates) {
    struct normaliser n = normaliser_of(gate, sums);
    for (int64_t j = thread_number(); j < gate.channels; j += num_threads()) {
        float u = gate.gamma[j] * normalised(gate, n, sums, j) + gate.beta[j];
        gates[j] = gate_open(gate.activation, u);
    }
}

// ---- Gradients ----

// With q = dLoss/dt: dLoss/ds = (q - level) / radius - slope (sign of s, or s - mean).
struct pull_back {
    double level, inverse, slope, mean;
};

static __device__ inline struct pull_back pull_back_of(const struct gate_view &gate,
                                                       struct normaliser n, const float *sums,
                                                       const float *du) {
    bool centred = gate.normalisation == GATE_NORMALISATION_MEAN_VARIANCE;
    double along = 0; // of q s, of q t for mean and variance
    double total = 0; // of q
    for (int64_t j = thread_number(); j < gate.channels; j += num_threads()) {
        float s = magnitude_of(gate, sums, j);
        double q = (double)du[j] * (double)gate.gamma[j];
        along += q * (double)(centred ? (s - n.mean) / n.radius : s);
        total += q;
    }
    double r = (double)n.radius;
    double share = block_sum(along) / ((double)gate.channels * r * r);
    total = block_sum(total);
    if (gate.normalisation == GATE_NORMALISATION_L2) return pull_back{0, 1 / r, share / r, 0};
    if (gate.normalisation == GATE_NORMALISATION_L1) return pull_back{0, 1 / r, share, 0};
    return pull_back{total / (double)gate.channels, 1 / r, share, (double)n.mean};
}

// Where the gradients of alpha, gamma and beta go, [c] each or NULL: added to what is there, or
// (several images at a time) put there.
struct gate_targets {
    float *alpha, *gamma, *beta;
    bool add;
};

static inline struct gate_targets gate_targets_of(struct operands *operands,
                                                  const struct gate *gate) {
    return gate_targets{operand_gradient(operands, gate->alpha),
                        operand_gradient(operands, gate->gamma),
                        operand_gradient(operands, gate->beta), true};
}

static __device__ inline void put_gradient(float *target, bool add, int64_t j, float value) {
    if (target) target[j] = add ? target[j] + value : value;
}

// From an image's opened[c] = dLoss/dg, which is overwritten, to the parameters' gradients and to
// pull[c], which with add_pull is added to.
static __device__ inline void close_gates_of(const struct gate_view &gate, const float *sums,
                                             float *opened, const struct gate_targets &targets,
                                             bool add_pull, float *pull) {
    struct normaliser n = normaliser_of(gate, sums);
    for (int64_t j = thread_number(); j < gate.channels; j += num_threads()) {
        float t = normalised(gate, n, sums, j);
        float u = gate.gamma[j] * t + gate.beta[j];
        float slope = gate_slope(gate.activation, u, gate_open(gate.activation, u));
        float du = opened[j] * slope;
        put_gradient(targets.gamma, targets.add, j, du * t);
        put_gradient(targets.beta, targets.add, j, du);
        opened[j] = du;
    }
    struct pull_back back = pull_back_of(gate, n, sums, opened);
    for (int64_t j = thread_number(); j < gate.channels; j += num_threads()) {
        float e = embedding_of(gate, sums[j]);
        double s = (double)gate.alpha[j] * (double)e;
        double q = (double)opened[j] * (double)gate.gamma[j];
        double sign = (double)(s > 0) - (double)(s < 0);
        double direction = gate.normalisation == GATE_NORMALISATION_L1 ? sign : s - back.mean;
        double ds = (q - back.level) * back.inverse - back.slope * direction;
        float de = (float)(ds * (double)gate.alpha[j]);
        put_gradient(targets.alpha, targets.add, j, (float)(ds * (double)e));
        // d sqrt(sum x^2 + epsilon) / dx = x / e
        put_gradient(pull, add_pull, j, gate.embedding == GATE_EMBEDDING_L2 ? de / e : de);
    }
}
