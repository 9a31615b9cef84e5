#include "nn/gate/gate_cpu.h"

#include <string.h>

#include "base/check.h"
#include "nn/columns.h"
#include "nn/device.h"
#include "nn/gate/gate_math.h"
#include "nn/rows.h"
#include "nn/vectorised.h"

enum { GATES_WORTH_A_THREAD = 1024 }; // each costs a tanh

void gate_embed(struct nn *nn, const struct gate *gate, struct tensor *x) {
    static const enum columns_sum SUMS[] = {
        [GATE_EMBEDDING_L2] = COLUMNS_SUM_SQUARES,
        [GATE_EMBEDDING_L1] = COLUMNS_SUM_ABS,
        [GATE_EMBEDDING_LINF] = COLUMNS_MAX_ABS,
    };
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

// t[c] = (s[c] - mean) / radius
struct normaliser {
    float mean;
    float radius;
};

static struct normaliser normaliser_of(const struct gate *gate, const float *sums) {
    double total = 0;
    double magnitudes = 0;
    double squares = 0;
    int64_t c = gate->channels;
    for (int64_t j = 0; j < c; j++) {
        double s = (double)(gate->alpha->data[j] * embedding_of(gate, sums[j]));
        total += s;
        magnitudes += fabs(s);
        squares += s * s;
    }
    double epsilon = (double)gate->epsilon;
    double count = (double)c;
    if (gate->normalisation == GATE_NORMALISATION_L1)
        return (struct normaliser){0, (float)(magnitudes / count + epsilon)};
    if (gate->normalisation == GATE_NORMALISATION_L2)
        return (struct normaliser){0, (float)sqrt(squares / count + epsilon)};
    double mean = total / count;
    double variance = 0; // a second pass: squares / count - mean^2 would cancel
    for (int64_t j = 0; j < c; j++) {
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

void gate_compute(const struct gate *gate, const float *embeddings, int64_t n, float *gates) {
    int64_t c = gate->channels;
#pragma omp parallel for schedule(static) if (n * c > GATES_WORTH_A_THREAD)
    for (int64_t i = 0; i < n; i++) {
        const float *sums = embeddings + i * c;
        struct normaliser normaliser = normaliser_of(gate, sums);
        if (gate->activation == GATE_ONE_PLUS_TANH)
            open_tanh_gates(gate, normaliser, sums, gates + i * c);
        else
            open_gates(gate, gate->activation, normaliser, sums, gates + i * c);
    }
}

// ---- Gradients ----

// What one image adds to the gradients of the parameters.
struct parameter_gradients {
    float *alpha, *gamma, *beta;
};

static void image_gradient(const struct gate *gate, const float *sums, const float *opened,
                           float *pull, const struct parameter_gradients *out) {
    int64_t c = gate->channels;
    struct normaliser normaliser = normaliser_of(gate, sums);
    double along = 0; // sum of q s, of q t for mean and variance
    double total = 0; // sum of q
    for (int64_t j = 0; j < c; j++) {
        float s = gate->alpha->data[j] * embedding_of(gate, sums[j]);
        float t = (s - normaliser.mean) / normaliser.radius;
        float u = gate->gamma->data[j] * t + gate->beta->data[j];
        float du = opened[j] * gate_slope(gate->activation, u, gate_open(gate->activation, u));
        out->beta[j] = du;
        out->gamma[j] = du * t;
        float q = du * gate->gamma->data[j];
        bool centred = gate->normalisation == GATE_NORMALISATION_MEAN_VARIANCE;
        along += (double)q * (double)(centred ? t : s);
        total += (double)q;
    }
    double r = (double)normaliser.radius;
    double count = (double)c;
    for (int64_t j = 0; j < c; j++) {
        double e = (double)embedding_of(gate, sums[j]);
        double alpha = (double)gate->alpha->data[j];
        double s = alpha * e;
        double q = (double)out->beta[j] * (double)gate->gamma->data[j];
        double ds = 0;
        switch (gate->normalisation) {
        case GATE_NORMALISATION_L2:
            ds = q / r - s * along / (count * r * r * r);
            break;
        case GATE_NORMALISATION_L1:
            ds = q / r - (double)((s > 0) - (s < 0)) * along / (count * r * r);
            break;
        case GATE_NORMALISATION_MEAN_VARIANCE:
            ds = (q - total / count - (s - (double)normaliser.mean) / r * along / count) / r;
            break;
        }
        out->alpha[j] = (float)(ds * e);
        double de = ds * alpha;
        // d sqrt(sum x^2 + epsilon) / dx = x / e
        pull[j] = (float)(gate->embedding == GATE_EMBEDDING_L2 ? de / e : de);
    }
}

static void accumulate(struct parameter *parameter, const float *gradients, int64_t n,
                       int64_t stride) {
    if (!parameter->grad) return;
    for (int64_t j = 0; j < parameter->count; j++) {
        double total = 0;
        for (int64_t i = 0; i < n; i++)
            total += (double)gradients[i * stride + j];
        parameter->grad[j] += (float)total;
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

void cpu_gate_forward(struct nn *nn, struct call *base) {
    struct gate_call *call = (struct gate_call *)base;
    struct tensor *x = base->inputs[0];
    struct tensor *y = base->out;
    gate_embed(nn, call->gate, x);
    call->gates = nn_scratch(nn, x->n * x->c);
    if (nn_failed(nn)) return;
    gate_compute(call->gate, x->embedding, x->n, call->gates);
    rows_apply(nn, x, call->gates, call->norm, call->residual, call->relu, y);
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
    float *scaled = nn_scratch(nn, tensor_count(x));
    float *opened = nn_scratch(nn, 2 * x->n * x->c);
    if (nn_failed(nn)) return;
    float *pull = opened + x->n * x->c;
    rows_norm_gradient(base->out->grad, call->norm, tensor_rows(x), x->c, scaled);
    columns_reduce(nn, COLUMNS_DOT, scaled, x->data, x->n, rows, x->c, opened);
    gate_gradient(nn, call->gate, x->embedding, opened, x->n, pull);
    bool add = false;
    float *grad = nn_grad(nn, x, &add);
    const struct gate_flow flow = {call->gate,   x->data, scaled, call->gates,
                                   x->embedding, pull,    x->n,   rows};
    if (grad) gate_pull(&flow, add, grad);
    nn_scratch_free(nn, opened);
    nn_scratch_free(nn, scaled);
    nn_scratch_free(nn, call->gates);
    call->gates = NULL;
    rows_residual_gradient(nn, base->out, call->residual);
}
