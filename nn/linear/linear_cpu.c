// The linear layer on the CPU; nn/linear/linear.h has the equations.

#include <string.h>

#include "base/check.h"
#include "nn/device.h"
#include "nn/linear/linear.h"
#include "nn/matmul.h"
#include "nn/pack.h"
#include "nn/product.h"
#include "nn/rows.h"

enum { ROWS_AT_ONCE = 64 };

// ---- Weights ----

struct linear_cache {
    // Their kind is h w of the inputs, which determines the order of the columns.
    struct pack *packs;
};

// The weights with their columns in the order (h, w, c).
static void permute(const struct linear *linear, const float *weights, int64_t area,
                    float *permuted) {
    int64_t c = linear->in / area;
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < linear->out; o++) {
        const float *from = weights + o * linear->in;
        float *to = permuted + o * linear->in;
        for (int64_t position = 0; position < area; position++)
            for (int64_t j = 0; j < c; j++)
                to[position * c + j] = from[j * area + position];
    }
}

// Adds a gradient whose columns are in the order (h, w, c) to that of the parameter.
static void add_permuted(const float *permuted, int64_t area, struct linear *linear) {
    int64_t c = linear->in / area;
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < linear->out; o++) {
        const float *from = permuted + o * linear->in;
        float *to = linear->weight->grad + o * linear->in;
        for (int64_t j = 0; j < c; j++)
            for (int64_t position = 0; position < area; position++)
                to[j * area + position] += from[position * c + j];
    }
}

// The weights for maps of area positions in plain [out, in]: the parameter's own, or a copy in
// scratch memory, which *scratch then is. NULL after a failure.
static const float *plain_weights(struct nn *nn, const struct linear *linear, int64_t area,
                                  float **scratch) {
    *scratch = NULL;
    const float *weights = pack_source(nn, linear->weight);
    if (area == 1 || !weights) return weights;
    *scratch = nn_scratch(nn, linear->weight->count);
    if (*scratch) permute(linear, weights, area, *scratch);
    return *scratch;
}

static const void *packed_weights(struct nn *nn, struct linear *linear,
                                  const struct dnn_layout *layout, int64_t area) {
    if (!linear->cache) linear->cache = pack_keep(nn, 1, sizeof *linear->cache);
    if (!linear->cache) return NULL;
    struct pack *pack = pack_find(nn, &linear->cache->packs, layout, area);
    if (!pack) return NULL;
    uint64_t version = linear->weight->owner->version;
    if (pack->version == version) return pack->data;
    float *scratch = NULL;
    const float *plain = plain_weights(nn, linear, area, &scratch);
    const void *data = pack_make(nn, pack, linear->weight, plain, version);
    nn_scratch_free(nn, scratch);
    return data;
}

// ---- Forward ----

void cpu_linear_forward(struct nn *nn, struct call *base) {
    struct linear_call *call = (struct linear_call *)base;
    struct linear *linear = call->linear;
    const struct tensor *x = base->inputs[0];
    const struct tensor *y = base->out;
    struct dnn_linear shape = {.rows = ROWS_AT_ONCE,
                               .in = linear->in,
                               .out = linear->out,
                               .bias = true,
                               .relu = call->relu};
    struct product product;
    if (x->n == 0 || !product_begin(&product, nn, linear->label, &shape)) return;
    product.weights =
        packed_weights(nn, linear, dnn_weights_layout(product.primitive), x->h * x->w);
    product.bias = linear->bias->data;
    int64_t whole = x->n / ROWS_AT_ONCE * ROWS_AT_ONCE;
    for (int64_t row = 0; row < whole; row += ROWS_AT_ONCE)
        product_run(&product, x->data + row * linear->in, ROWS_AT_ONCE,
                    y->data + row * linear->out);
    int64_t left = x->n - whole;
    float *last = left ? nn_scratch(nn, ROWS_AT_ONCE * linear->out) : NULL;
    if (last) {
        product_run(&product, x->data + whole * linear->in, left, last);
        memcpy(y->data + whole * linear->out, last, (size_t)(left * linear->out) * sizeof *last);
    }
    nn_scratch_free(nn, last);
    product_end(&product);
    if (linear->cache) pack_release(nn, linear->cache->packs);
}

// ---- Backward ----

static void weights_backward(struct nn *nn, struct linear *linear, const struct tensor *x,
                             const float *dz) {
    int64_t area = x->h * x->w;
    float *separate = area > 1 ? nn_scratch(nn, linear->weight->count) : NULL;
    if (nn_failed(nn)) return;
    const struct matmul_rows rows = {nn, linear->label, x->n, linear->in, linear->out, dz};
    matmul_rows_weights(&rows, x->data, !separate, separate ? separate : linear->weight->grad);
    if (separate && !nn_failed(nn)) add_permuted(separate, area, linear);
    nn_scratch_free(nn, separate);
}

static void input_backward(struct nn *nn, const struct linear *linear, struct tensor *x,
                           const float *dz) {
    bool add = false;
    float *grad = nn_grad(nn, x, &add);
    float *scratch = NULL;
    const float *weights = grad ? plain_weights(nn, linear, x->h * x->w, &scratch) : NULL;
    if (!weights) return;
    const struct matmul_rows rows = {nn, linear->label, x->n, linear->in, linear->out, dz};
    matmul_rows_input(&rows, weights, add, grad);
    nn_scratch_free(nn, scratch);
}

void cpu_linear_backward(struct nn *nn, struct call *base) {
    struct linear_call *call = (struct linear_call *)base;
    struct linear *linear = call->linear;
    struct tensor *x = base->inputs[0];
    struct tensor *y = base->out;
    if (x->n == 0) return; // nothing flows, and an input without a gradient has an empty one
    rows_relu_gradient(y, call->relu);
    rows_bias_gradient(nn, y, linear->bias);
    if (linear->weight->grad) weights_backward(nn, linear, x, y->grad);
    if (!nn_failed(nn)) input_backward(nn, linear, x, y->grad);
}
