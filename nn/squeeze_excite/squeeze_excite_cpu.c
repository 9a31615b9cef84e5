#include <math.h>
#include <string.h>

#include "nn/columns.h"
#include "nn/device.h"
#include "nn/rows.h"
#include "nn/squeeze_excite/squeeze_excite.h"
#include "nn/vectorised.h"

enum {
    LANES = 16,   // sums of a dot product side by side
    COLUMNS = 64, // of a weight matrix, for one thread
};

// ---- The two small layers: y[n, out] = x[n, in] weight[out, in] + bias ----

VECTORISED static float dot(const float *restrict a, const float *restrict b, int64_t count) {
    float lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int64_t lane = 0; lane < LANES; lane++)
            lanes[lane] += a[i + lane] * b[i + lane];
    double total = 0;
    for (int64_t lane = 0; lane < LANES; lane++)
        total += (double)lanes[lane];
    for (; i < count; i++)
        total += (double)(a[i] * b[i]);
    return (float)total;
}

VECTORISED static void add_scaled(const float *restrict x, float factor, int64_t count,
                                  float *restrict y) {
    for (int64_t i = 0; i < count; i++)
        y[i] += x[i] * factor;
}

struct layer {
    struct parameter *weight, *bias;
    int64_t in, out;
};

static void layer_forward(const struct layer *layer, const float *x, int64_t n, float *y) {
    int64_t in = layer->in;
#pragma omp parallel for schedule(static) if (n * layer->weight->count > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < n * layer->out; i++) {
        int64_t o = i % layer->out;
        y[i] =
            dot(x + i / layer->out * in, layer->weight->data + o * in, in) + layer->bias->data[o];
    }
}

// The gradients of weight and bias, each output by one thread.
static void layer_accumulate(const struct layer *layer, const float *x, const float *dy,
                             int64_t n) {
    int64_t in = layer->in;
#pragma omp parallel for schedule(static) if (n * layer->weight->count > ROWS_WORTH_A_THREAD)
    for (int64_t o = 0; o < layer->out; o++) {
        double total = 0;
        for (int64_t i = 0; i < n; i++) {
            float factor = dy[i * layer->out + o];
            total += (double)factor;
            if (layer->weight->grad)
                add_scaled(x + i * in, factor, in, layer->weight->grad + o * in);
        }
        if (layer->bias->grad) layer->bias->grad[o] += (float)total;
    }
}

// dx[n, in] = dy[n, out] weight, some columns by one thread.
static void layer_backward(const struct layer *layer, const float *dy, int64_t n, float *dx) {
    int64_t in = layer->in;
    int64_t strips = (in + COLUMNS - 1) / COLUMNS;
#pragma omp parallel for schedule(static) if (n * layer->weight->count > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < n * strips; i++) {
        int64_t image = i / strips;
        int64_t begin = i % strips * COLUMNS;
        int64_t count = in - begin < COLUMNS ? in - begin : COLUMNS;
        float *target = dx + image * in + begin;
        memset(target, 0, (size_t)count * sizeof *target);
        for (int64_t o = 0; o < layer->out; o++)
            add_scaled(layer->weight->data + o * in + begin, dy[image * layer->out + o], count,
                       target);
    }
}

static struct layer first_layer(const struct squeeze_excite *se) {
    return (struct layer){se->fc1_weight, se->fc1_bias, se->channels, se->hidden};
}

static struct layer second_layer(const struct squeeze_excite *se) {
    return (struct layer){se->fc2_weight, se->fc2_bias, se->hidden, se->channels};
}

// ---- The operation ----

void cpu_squeeze_excite_forward(struct nn *nn, struct call *base) {
    struct squeeze_excite_call *call = (struct squeeze_excite_call *)base;
    const struct squeeze_excite *se = call->se;
    struct tensor *x = base->inputs[0];
    int64_t rows = x->h * x->w;
    int64_t num_gates = x->n * x->c;
    int64_t num_hidden = x->n * se->hidden;
    call->state = nn_scratch(nn, 2 * num_gates + num_hidden);
    if (!call->state) return;
    struct squeeze_excite_state state = squeeze_excite_state_of(call);
    columns_reduce(nn, COLUMNS_SUM, x->data, NULL, x->n, rows, x->c, state.means);
    if (nn_failed(nn)) return;
    for (int64_t i = 0; i < num_gates; i++)
        state.means[i] /= (float)rows;
    struct layer first = first_layer(se);
    layer_forward(&first, state.means, x->n, state.hidden);
    for (int64_t i = 0; i < num_hidden; i++)
        state.hidden[i] = state.hidden[i] < 0 ? 0 : state.hidden[i];
    struct layer second = second_layer(se);
    layer_forward(&second, state.hidden, x->n, state.gates);
    for (int64_t i = 0; i < num_gates; i++)
        state.gates[i] = 1 / (1 + expf(-state.gates[i]));
    struct rows_pass pass = {.x = x,
                             .scales = state.gates,
                             .residual = call->residual,
                             .relu = call->relu,
                             .y = base->out};
    rows_apply(nn, &pass);
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->state);
        call->state = NULL;
    }
}

// grad = (add ? grad : 0) + dy gates + pull: through the product, and through the means.
VECTORISED static void pull_rows(const float *restrict dy, const float *restrict gates,
                                 const float *restrict pull, int64_t rows, int64_t c, bool add,
                                 float *restrict grad) {
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t j = 0; j < c; j++) {
            int64_t at = row * c + j;
            float value = dy[at] * gates[j] + pull[j];
            grad[at] = add ? grad[at] + value : value;
        }
    }
}

static void input_gradient(struct nn *nn, struct tensor *x, const float *dy, const float *gates,
                           const float *pull) {
    bool add = false;
    float *grad = nn_grad(nn, x, &add);
    if (!grad) return;
    int64_t rows = x->h * x->w;
#pragma omp parallel for schedule(static) if (tensor_count(x) > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < x->n * ROWS_PARTS; i++) {
        int64_t image = i / ROWS_PARTS;
        int64_t begin = rows * (i % ROWS_PARTS) / ROWS_PARTS;
        int64_t count = rows * (i % ROWS_PARTS + 1) / ROWS_PARTS - begin;
        int64_t at = (image * rows + begin) * x->c;
        pull_rows(dy + at, gates + image * x->c, pull + image * x->c, count, x->c, add, grad + at);
    }
}

void cpu_squeeze_excite_backward(struct nn *nn, struct call *base) {
    struct squeeze_excite_call *call = (struct squeeze_excite_call *)base;
    struct tensor *x = base->inputs[0];
    struct layer first = first_layer(call->se);
    struct layer second = second_layer(call->se);
    struct squeeze_excite_state state = squeeze_excite_state_of(call);
    int64_t rows = x->h * x->w;
    int64_t num_gates = x->n * x->c;
    int64_t num_hidden = x->n * call->se->hidden;
    rows_relu_gradient(base->out, call->relu);
    float *opened = nn_scratch(nn, 2 * num_gates + num_hidden); // dLoss / d second's result
    if (!opened) return;
    float *pull = opened + num_gates;
    float *hidden = opened + 2 * num_gates;
    columns_reduce(nn, COLUMNS_DOT, base->out->grad, x->data, x->n, rows, x->c, opened);
    if (nn_failed(nn)) return;
    for (int64_t i = 0; i < num_gates; i++)
        opened[i] *= state.gates[i] * (1 - state.gates[i]);
    layer_accumulate(&second, state.hidden, opened, x->n);
    layer_backward(&second, opened, x->n, hidden);
    for (int64_t i = 0; i < num_hidden; i++)
        hidden[i] = state.hidden[i] > 0 ? hidden[i] : 0;
    layer_accumulate(&first, state.means, hidden, x->n);
    layer_backward(&first, hidden, x->n, pull);
    for (int64_t i = 0; i < num_gates; i++)
        pull[i] /= (float)rows;
    input_gradient(nn, x, base->out->grad, state.gates, pull);
    nn_scratch_free(nn, opened);
    nn_scratch_free(nn, call->state);
    call->state = NULL;
    rows_residual_gradient(nn, base->out, call->residual);
}
