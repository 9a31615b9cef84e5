// The linear layer on the CPU; nn/linear/linear.h has the equations.

#include <string.h>

#include "base/check.h"
#include "nn/device.h"
#include "nn/linear/linear.h"
#include "nn/product.h"
#include "nn/rows.h"

enum { ROWS_AT_ONCE = 64 };

// ---- Weights ----

// Packed weights for inputs of one size. They stay valid for the version of the parameters that
// they were made from.
struct pack {
    struct pack *next;
    const struct dnn_layout *layout;
    int64_t area; // h w of the inputs: with the channels it determines the order of the columns
    uint64_t version;
    float *data;
};

struct linear_cache {
    struct pack *packs;
};

// The weights with their columns in the order (h, w, c).
static void permute(const struct linear *linear, int64_t area, float *permuted) {
    int64_t c = linear->in / area;
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < linear->out; o++) {
        const float *from = linear->weight->data + o * linear->in;
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
    if (area == 1) return linear->weight->data;
    *scratch = nn_scratch(nn, linear->weight->count);
    if (*scratch) permute(linear, area, *scratch);
    return *scratch;
}

static void *keep(struct nn *nn, int64_t count, size_t bytes) {
    void *memory = arena_alloc_zero(&nn->model, count, bytes);
    if (!memory) nn_fail(nn, STATUS_MEMORY, "packed weights: out of memory");
    return memory;
}

static struct pack *find_pack(struct nn *nn, struct linear *linear, const struct dnn_layout *layout,
                              int64_t area) {
    if (!linear->cache) linear->cache = keep(nn, 1, sizeof *linear->cache);
    if (!linear->cache) return NULL;
    struct pack *pack = linear->cache->packs;
    while (pack && (pack->layout != layout || pack->area != area))
        pack = pack->next;
    if (pack) return pack;
    pack = keep(nn, 1, sizeof *pack);
    float *data = keep(nn, dnn_layout_floats(layout), sizeof(float));
    if (!pack || !data) return NULL;
    *pack = (struct pack){linear->cache->packs, layout, area, 0, data};
    linear->cache->packs = pack;
    return pack;
}

static const float *packed_weights(struct nn *nn, struct linear *linear,
                                   const struct dnn_layout *layout, int64_t area) {
    struct pack *pack = find_pack(nn, linear, layout, area);
    if (!pack) return NULL;
    uint64_t version = linear->weight->owner->version;
    if (pack->version == version) return pack->data;
    float *scratch = NULL;
    const float *plain = plain_weights(nn, linear, area, &scratch);
    if (!plain) return NULL;
    struct error err;
    if (dnn_pack(nn->onednn, layout, plain, pack->data, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", linear->label, err.message);
    nn_scratch_free(nn, scratch);
    if (nn_failed(nn)) return NULL;
    pack->version = version;
    return pack->data;
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
}

// ---- Backward ----

static void weights_backward(struct nn *nn, struct linear *linear, const struct tensor *x,
                             const float *dz) {
    int64_t area = x->h * x->w;
    float *separate = area > 1 ? nn_scratch(nn, linear->weight->count) : NULL;
    if (nn_failed(nn)) return;
    struct error err;
    if (dnn_gemm(true, false, linear->out, linear->in, x->n, dz, x->data, !separate,
                 separate ? separate : linear->weight->grad, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", linear->label, err.message);
    else if (separate)
        add_permuted(separate, area, linear);
    nn_scratch_free(nn, separate);
}

static void input_backward(struct nn *nn, const struct linear *linear, struct tensor *x,
                           const float *dz) {
    bool add = false;
    float *grad = nn_grad(nn, x, &add);
    float *scratch = NULL;
    const float *weights = grad ? plain_weights(nn, linear, x->h * x->w, &scratch) : NULL;
    if (!weights) return;
    struct error err;
    if (dnn_gemm(false, false, x->n, linear->in, linear->out, dz, weights, add, grad, &err) !=
        STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", linear->label, err.message);
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
