#include "nn/gate/gate_cpu.h"

#include <string.h>

#include "base/check.h"
#include "nn/columns.h"
#include "nn/device.h"
#include "nn/gate/gate_math.h"
#include "nn/rows.h"
#include "nn/vectorised.h"

enum {
    GATES_WORTH_A_THREAD = 1024, // each costs a tanh
    LANES = 16,                  // sums that run side by side, for vector instructions
};

static const enum columns_sum SUMS[] = {
    [GATE_EMBEDDING_L2] = COLUMNS_SUM_SQUARES,
    [GATE_EMBEDDING_L1] = COLUMNS_SUM_ABS,
    [GATE_EMBEDDING_LINF] = COLUMNS_MAX_ABS,
};

void gate_embed(struct nn *nn, const struct gate *gate, struct tensor *x) {
    if (x->embedding) {
        CHECK(x->embedding_kind == (int)gate->embedding);
        return;
    }
    x->embedding = nn_scratch(nn, x->n * x->c);
    x->embedding_kind = (int)gate->embedding;
    if (x->embedding)
        columns_reduce(nn, SUMS[gate->embedding], x->data, NULL, x->n, x->h * x->w, x->c,
                       x->embedding);
}

static inline float embedding_of(const struct gate *gate, float sum) {
    return gate->embedding == GATE_EMBEDDING_L2 ? sqrtf(sum + gate->epsilon) : sum;
}

static double total_of(const double lanes[LANES]) {
    double total = 0;
    for (int i = 0; i < LANES; i++)
        total += lanes[i];
    return total;
}

// Sums over the channels of one image: of s = alpha e, of |s| and of the squares of s.
struct magnitudes {
    double total, absolute, squares;
};

VECTORISED static struct magnitudes magnitudes_of(const struct gate *gate, const float *sums) {
    double total[LANES] = {0};
    double absolute[LANES] = {0};
    double squares[LANES] = {0};
    const float *alpha = gate->alpha->data;
    int64_t c = gate->channels;
    for (int64_t first = 0; first < c; first += LANES) {
        int64_t count = c - first < LANES ? c - first : LANES;
        for (int64_t i = 0; i < count; i++) {
            double s = (double)(alpha[first + i] * embedding_of(gate, sums[first + i]));
            total[i] += s;
            absolute[i] += fabs(s);
            squares[i] += s * s;
        }
    }
    return (struct magnitudes){total_of(total), total_of(absolute), total_of(squares)};
}

// t[c] = (s[c] - mean) / radius
struct normaliser {
    float mean;
    float radius;
};

static struct normaliser normaliser_of(const struct gate *gate, const float *sums) {
    struct magnitudes magnitudes = magnitudes_of(gate, sums);
    double epsilon = (double)gate->epsilon;
    double count = (double)gate->channels;
    if (gate->normalisation == GATE_NORMALISATION_L1)
        return (struct normaliser){0, (float)(magnitudes.absolute / count + epsilon)};
    if (gate->normalisation == GATE_NORMALISATION_L2)
        return (struct normaliser){0, (float)sqrt(magnitudes.squares / count + epsilon)};
    double mean = magnitudes.total / count;
    double variance = 0; // a second pass: squares / count - mean^2 would cancel
    for (int64_t j = 0; j < gate->channels; j++) {
        double d = (double)(gate->alpha->data[j] * embedding_of(gate, sums[j])) - mean;
        variance += d * d;
    }
    return (struct normaliser){(float)mean, (float)sqrt(variance / count + epsilon)};
}

// One image's gates. The activation is a constant where it is called, so that the loop has no
// choices left and is vectorised.
static inline void open_gates(const struct gate *gate, enum gate_activation activation,
                              struct normaliser normaliser, const float *restrict sums,
                              float *restrict gates) {
    const float *restrict alpha = gate->alpha->data;
    const float *restrict beta = gate->beta->data;
    const float *restrict gamma = gate->gamma->data;
    for (int64_t j = 0; j < gate->channels; j++) {
        float t = (alpha[j] * embedding_of(gate, sums[j]) - normaliser.mean) / normaliser.radius;
        gates[j] = gate_open(activation, gamma[j] * t + beta[j]);
    }
}

VECTORISED static void open_tanh_gates(const struct gate *gate, struct normaliser normaliser,
                                       const float *sums, float *gates) {
    open_gates(gate, GATE_ONE_PLUS_TANH, normaliser, sums, gates);
}

// gates[c] from embeddings[c] of one image.
static void image_gates(const struct gate *gate, const float *embeddings, float *gates) {
    struct normaliser normaliser = normaliser_of(gate, embeddings);
    if (gate->activation == GATE_ONE_PLUS_TANH)
        open_tanh_gates(gate, normaliser, embeddings, gates);
    else
        open_gates(gate, gate->activation, normaliser, embeddings, gates);
}

void gate_compute(const struct gate *gate, const float *embeddings, int64_t n, float *gates) {
    int64_t c = gate->channels;
#pragma omp parallel for schedule(static) if (n * c > GATES_WORTH_A_THREAD)
    for (int64_t i = 0; i < n; i++)
        image_gates(gate, embeddings + i * c, gates + i * c);
}

// ---- Gradients ----

// What one image adds to the gradients of the parameters.
struct parameter_gradients {
    float *alpha, *gamma, *beta;
};

// beta = dLoss/du and gamma = dLoss/du t, u what the activation is a function of. The activation is
// a constant where it is called.
static inline void adaptation_gradient(const struct gate *gate, enum gate_activation activation,
                                       struct normaliser normaliser, const float *restrict sums,
                                       const float *restrict opened, float *restrict gamma,
                                       float *restrict beta) {
    const float *alphas = gate->alpha->data;
    const float *gammas = gate->gamma->data;
    const float *betas = gate->beta->data;
    for (int64_t j = 0; j < gate->channels; j++) {
        float t = (alphas[j] * embedding_of(gate, sums[j]) - normaliser.mean) / normaliser.radius;
        float u = gammas[j] * t + betas[j];
        float du = opened[j] * gate_slope(activation, u, gate_open(activation, u));
        beta[j] = du;
        gamma[j] = du * t;
    }
}

VECTORISED static void tanh_gradient(const struct gate *gate, struct normaliser normaliser,
                                     const float *sums, const float *opened, float *gamma,
                                     float *beta) {
    adaptation_gradient(gate, GATE_ONE_PLUS_TANH, normaliser, sums, opened, gamma, beta);
}

// With q = dLoss/dt: dLoss/ds = (q - level) / radius - slope (sign ? sign of s : s - mean).
struct pull_back {
    double level, inverse, slope, mean;
    bool by_sign;
};

static struct pull_back pull_back_of(const struct gate *gate, struct normaliser normaliser,
                                     const float *sums, const float *du) {
    bool centred = gate->normalisation == GATE_NORMALISATION_MEAN_VARIANCE;
    double along[LANES] = {0}; // of q s, of q t for mean and variance
    double total[LANES] = {0}; // of q
    for (int64_t j = 0; j < gate->channels; j++) {
        float s = gate->alpha->data[j] * embedding_of(gate, sums[j]);
        double q = (double)du[j] * (double)gate->gamma->data[j];
        along[j % LANES] += q * (double)(centred ? (s - normaliser.mean) / normaliser.radius : s);
        total[j % LANES] += q;
    }
    double r = (double)normaliser.radius;
    double share = total_of(along) / ((double)gate->channels * r * r);
    switch (gate->normalisation) {
    case GATE_NORMALISATION_L2:
        return (struct pull_back){.inverse = 1 / r, .slope = share / r};
    case GATE_NORMALISATION_L1:
        return (struct pull_back){.inverse = 1 / r, .slope = share, .by_sign = true};
    case GATE_NORMALISATION_MEAN_VARIANCE:
        break;
    }
    return (struct pull_back){.level = total_of(total) / (double)gate->channels,
                              .inverse = 1 / r,
                              .slope = share,
                              .mean = (double)normaliser.mean};
}

VECTORISED static void embedding_gradient(const struct gate *gate, const struct pull_back *back,
                                          const float *restrict sums, const float *restrict du,
                                          float *restrict alpha, float *restrict pull) {
    for (int64_t j = 0; j < gate->channels; j++) {
        double e = (double)embedding_of(gate, sums[j]);
        double s = (double)gate->alpha->data[j] * e;
        double q = (double)du[j] * (double)gate->gamma->data[j];
        double sign = (double)(s > 0) - (double)(s < 0);
        double direction = back->by_sign ? sign : s - back->mean;
        double ds = (q - back->level) * back->inverse - back->slope * direction;
        double de = ds * (double)gate->alpha->data[j];
        alpha[j] = (float)(ds * e);
        // d sqrt(sum x^2 + epsilon) / dx = x / e
        pull[j] = (float)(gate->embedding == GATE_EMBEDDING_L2 ? de / e : de);
    }
}

static void image_gradient(const struct gate *gate, const float *sums, const float *opened,
                           float *pull, const struct parameter_gradients *out) {
    struct normaliser normaliser = normaliser_of(gate, sums);
    if (gate->activation == GATE_ONE_PLUS_TANH)
        tanh_gradient(gate, normaliser, sums, opened, out->gamma, out->beta);
    else
        adaptation_gradient(gate, gate->activation, normaliser, sums, opened, out->gamma,
                            out->beta);
    struct pull_back back = pull_back_of(gate, normaliser, sums, out->beta);
    embedding_gradient(gate, &back, sums, out->beta, out->alpha, pull);
}

static void accumulate(struct parameter *parameter, const float *gradients, int64_t n,
                       int64_t stride) {
    double totals[LANES];
    if (!parameter->grad) return;
    for (int64_t first = 0; first < parameter->count; first += LANES) {
        int64_t count = parameter->count - first < LANES ? parameter->count - first : LANES;
        memset(totals, 0, sizeof totals);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < count; j++)
                totals[j] += (double)gradients[i * stride + first + j];
        for (int64_t j = 0; j < count; j++)
            parameter->grad[first + j] += (float)totals[j];
    }
}

void gate_gradient(struct nn *nn, const struct gate *gate, const float *embeddings,
                   const float *opened, int64_t n, float *pull) {
    int64_t c = gate->channels;
    float *gradients = nn_scratch(nn, n * 3 * c);
    if (!gradients) return;
#pragma omp parallel for schedule(static) if (n * c > GATES_WORTH_A_THREAD)
    for (int64_t i = 0; i < n; i++) {
        float *at = gradients + i * 3 * c;
        image_gradient(gate, embeddings + i * c, opened + i * c, pull + i * c,
                       &(struct parameter_gradients){at, at + c, at + 2 * c});
    }
    accumulate(gate->alpha, gradients, n, 3 * c);
    accumulate(gate->gamma, gradients + c, n, 3 * c);
    accumulate(gate->beta, gradients + 2 * c, n, 3 * c);
    nn_scratch_free(nn, gradients);
}

VECTORISED static void pull_l2(const float *x, const float *scaled, const float *gates,
                               const float *pull, int64_t rows, int64_t c, float keep,
                               float *grad) {
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t j = 0; j < c; j++) {
            int64_t at = row * c + j;
            float old = keep != 0 ? grad[at] : 0;
            grad[at] = old + (scaled[at] * gates[j] + pull[j] * x[at]);
        }
    }
}

VECTORISED static void pull_l1(const float *x, const float *scaled, const float *gates,
                               const float *pull, int64_t rows, int64_t c, float keep,
                               float *grad) {
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t j = 0; j < c; j++) {
            int64_t at = row * c + j;
            float old = keep != 0 ? grad[at] : 0;
            float sign = x[at] > 0 ? 1.0f : x[at] < 0 ? -1.0f : 0.0f;
            grad[at] = old + (scaled[at] * gates[j] + pull[j] * sign);
        }
    }
}

// The gradient of a maximum goes to the first position that holds it.
static void add_to_maxima(const float *x, const float *maxima, const float *pull, int64_t rows,
                          int64_t c, float *grad) {
    for (int64_t j = 0; j < c; j++) {
        for (int64_t row = 0; row < rows; row++) {
            float value = x[row * c + j];
            if (fabsf(value) != maxima[j]) continue;
            grad[row * c + j] += value > 0 ? pull[j] : value < 0 ? -pull[j] : 0;
            break;
        }
    }
}

// Rows begin to begin + count of one image.
static void pull_rows(const struct gate_flow *f, int64_t image, int64_t begin, int64_t count,
                      bool add, float *grad) {
    int64_t c = f->gate->channels;
    int64_t at = (image * f->rows + begin) * c;
    const float *gates = f->gates + image * c;
    const float *pull = f->pull + image * c;
    float keep = add ? 1 : 0;
    if (f->gate->embedding == GATE_EMBEDDING_L2)
        pull_l2(f->x + at, f->scaled + at, gates, pull, count, c, keep, grad + at);
    else if (f->gate->embedding == GATE_EMBEDDING_L1)
        pull_l1(f->x + at, f->scaled + at, gates, pull, count, c, keep, grad + at);
    else
        rows_scale(f->scaled + at, gates, count, c, add, grad + at);
}

void gate_pull(const struct gate_flow *f, bool add, float *grad) {
    int64_t c = f->gate->channels;
    int64_t parts = rows_parts_of_image(f->n);
#pragma omp parallel for schedule(static) if (f->n * f->rows * c > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < f->n * parts; i++) {
        int64_t begin = f->rows * (i % parts) / parts;
        int64_t count = f->rows * (i % parts + 1) / parts - begin;
        pull_rows(f, i / parts, begin, count, add, grad);
    }
    if (f->gate->embedding != GATE_EMBEDDING_LINF) return;
    for (int64_t i = 0; i < f->n; i++) {
        int64_t at = i * f->rows * c;
        add_to_maxima(f->x + at, f->embeddings + i * c, f->pull + i * c, f->rows, c, grad + at);
    }
}

// ---- The operation ----

// Images that are small enough are measured and scaled while they are in a thread's cache.
static void forward_small(struct nn *nn, const struct gate_call *call, struct rows_pass *pass) {
    const struct gate *gate = call->gate;
    struct tensor *x = call->call.inputs[0];
    int64_t rows = x->h * x->w;
    x->embedding = nn_scratch(nn, x->n * x->c);
    x->embedding_kind = (int)gate->embedding;
    if (!rows_pass_begin(nn, pass)) return;
#pragma omp parallel for schedule(static) if (x->n * rows * x->c > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < x->n; i++) {
        float *embedding = x->embedding + i * x->c;
        columns_reduce_few(SUMS[gate->embedding], x->data + i * rows * x->c, NULL, rows, x->c,
                           embedding);
        image_gates(gate, embedding, call->gates + i * x->c);
        rows_pass_factors(pass, i);
        rows_pass_apply(pass, i, 0, rows);
    }
    rows_pass_end(nn, pass);
}

void cpu_gate_forward(struct nn *nn, struct call *base) {
    struct gate_call *call = (struct gate_call *)base;
    struct tensor *x = base->inputs[0];
    call->gates = nn_scratch(nn, x->n * x->c);
    if (nn_failed(nn)) return;
    struct rows_pass pass = {.x = x,
                             .scales = call->gates,
                             .norm = call->norm,
                             .residual = call->residual,
                             .relu = call->relu,
                             .y = base->out};
    if (columns_are_few(x->h * x->w) && x->n > 1 && !x->embedding) {
        forward_small(nn, call, &pass);
    } else {
        gate_embed(nn, call->gate, x);
        if (nn_failed(nn)) return;
        gate_compute(call->gate, x->embedding, x->n, call->gates);
        rows_apply(nn, &pass);
    }
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->gates);
        call->gates = NULL;
    }
}

void cpu_gate_backward(struct nn *nn, struct call *base) {
    struct gate_call *call = (struct gate_call *)base;
    struct tensor *x = base->inputs[0];
    int64_t rows = x->h * x->w;
    rows_relu_gradient(base->out, call->relu);
    // The gradient behind the norm is the residual's too, so it is scaled in a copy.
    float *copy = call->norm ? nn_scratch(nn, tensor_count(x)) : NULL;
    float *opened = nn_scratch(nn, 2 * x->n * x->c);
    if (nn_failed(nn)) return;
    float *pull = opened + x->n * x->c;
    const float *scaled = copy ? copy : base->out->grad;
    if (copy) rows_norm_gradient(base->out->grad, call->norm, tensor_rows(x), x->c, copy);
    columns_reduce(nn, COLUMNS_DOT, scaled, x->data, x->n, rows, x->c, opened);
    gate_gradient(nn, call->gate, x->embedding, opened, x->n, pull);
    bool add = false;
    float *grad = nn_grad(nn, x, &add);
    const struct gate_flow flow = {call->gate,   x->data, scaled, call->gates,
                                   x->embedding, pull,    x->n,   rows};
    if (grad) gate_pull(&flow, add, grad);
    nn_scratch_free(nn, opened);
    nn_scratch_free(nn, copy);
    nn_scratch_free(nn, call->gates);
    call->gates = NULL;
    rows_residual_gradient(nn, base->out, call->residual);
}
