// The transposed convolution on the CPU; nn/deconv/deconv.h has the equations.

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "nn/deconv/deconv.h"
#include "nn/device.h"
#include "nn/matmul.h"
#include "nn/pack.h"
#include "nn/product.h"
#include "nn/rows.h"
#include "nn/vectorised.h"

enum {
    AREA = 4,                  // of the kernel
    POSITIONS_AT_ONCE = 512,   // forward
    POSITIONS_BACKWARD = 4096, // at most: bounds the memory of the rearranged gradient
};

// ---- Weights ----

struct deconv_cache {
    struct pack *packs;
    uint64_t version; // of bias
    float *bias;      // [4 out]: the same for each (i, j)
};

// [4 out, in], rows in the order (i, j, o).
static void permute(const struct deconv *deconv, const float *weights, float *permuted) {
    int64_t in = deconv->in_channels;
    int64_t out = deconv->out_channels;
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < out; o++)
        for (int64_t k = 0; k < AREA; k++)
            for (int64_t c = 0; c < in; c++)
                permuted[(k * out + o) * in + c] = weights[(c * out + o) * AREA + k];
}

static void add_permuted(const float *permuted, struct deconv *deconv) {
    int64_t in = deconv->in_channels;
    int64_t out = deconv->out_channels;
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < out; o++)
        for (int64_t c = 0; c < in; c++)
            for (int64_t k = 0; k < AREA; k++)
                deconv->weight->grad[(c * out + o) * AREA + k] += permuted[(k * out + o) * in + c];
}

static struct deconv_cache *cache_of(struct nn *nn, struct deconv *deconv) {
    if (!deconv->cache) {
        struct deconv_cache *cache = pack_keep(nn, 1, sizeof *cache);
        if (!cache) return NULL;
        cache->bias = pack_keep(nn, AREA * deconv->out_channels, sizeof(float));
        if (!cache->bias) return NULL;
        deconv->cache = cache;
    }
    struct deconv_cache *cache = deconv->cache;
    uint64_t version = deconv->weight->owner->version;
    for (int64_t i = 0; cache->version != version && i < AREA * deconv->out_channels; i++)
        cache->bias[i] = deconv->bias->data[i % deconv->out_channels];
    cache->version = version;
    return cache;
}

static const void *packed_weights(struct nn *nn, struct deconv *deconv, struct deconv_cache *cache,
                                  const struct dnn_layout *layout) {
    struct pack *pack = pack_find(nn, &cache->packs, layout, 0);
    if (!pack || pack->version == cache->version) return pack ? pack->data : NULL;
    const float *weights = pack_source(nn, deconv->weight);
    float *permuted = nn_scratch(nn, deconv->weight->count);
    if (!weights || !permuted) return NULL;
    permute(deconv, weights, permuted);
    const void *data = pack_make(nn, pack, deconv->weight, permuted, cache->version);
    nn_scratch_free(nn, permuted);
    return data;
}

// ---- Rearrangement ----

// Where in y the upper left pixel of a position lies; the other three are beside and below it.
static int64_t pixel_of(const struct tensor *x, const struct tensor *y, int64_t position) {
    int64_t row = position / x->w; // of all images together
    return (2 * row * y->w + 2 * (position % x->w)) * y->c;
}

// The two pixels (i, 0) and (i, 1) lie together in both arrangements.
VECTORISED static void spread(const float *columns, int64_t pair, int64_t line, float floor,
                              float *pixels) {
    for (int64_t i = 0; i < 2; i++)
        for (int64_t j = 0; j < pair; j++) {
            float value = columns[i * pair + j];
            pixels[i * line + j] = value < floor ? floor : value; // a NaN stays one
        }
}

// Positions first to first + count from columns [count, 4 out] into y.
static void spread_positions(const float *columns, const struct tensor *x, int64_t first,
                             int64_t count, bool relu, const struct tensor *y) {
    float floor = relu ? 0 : -INFINITY;
#pragma omp parallel for schedule(static) if (count * AREA * y->c > ROWS_WORTH_A_THREAD)
    for (int64_t p = 0; p < count; p++)
        spread(columns + p * AREA * y->c, 2 * y->c, y->w * y->c, floor,
               y->data + pixel_of(x, y, first + p));
}

// The other way round, for the gradient.
static void gather_positions(const struct tensor *x, const struct tensor *y, int64_t first,
                             int64_t count, float *columns) {
    size_t pair = (size_t)(2 * y->c);
#pragma omp parallel for schedule(static) if (count * AREA * y->c > ROWS_WORTH_A_THREAD)
    for (int64_t p = 0; p < count; p++) {
        const float *pixels = y->grad + pixel_of(x, y, first + p);
        memcpy(columns + p * AREA * y->c, pixels, pair * sizeof *columns);
        memcpy(columns + p * AREA * y->c + pair, pixels + y->w * y->c, pair * sizeof *columns);
    }
}

// ---- Forward ----

void cpu_deconv_forward(struct nn *nn, struct call *base) {
    struct deconv_call *call = (struct deconv_call *)base;
    struct deconv *deconv = call->deconv;
    const struct tensor *x = base->inputs[0];
    struct dnn_linear shape = {
        .rows = POSITIONS_AT_ONCE,
        .in = deconv->in_channels,
        .out = AREA * deconv->out_channels,
        .bias = true,
    };
    struct product product;
    int64_t positions = tensor_rows(x);
    if (positions == 0 || !product_begin(&product, nn, deconv->label, &shape)) return;
    struct deconv_cache *cache = cache_of(nn, deconv);
    if (!cache) return;
    product.weights = packed_weights(nn, deconv, cache, dnn_weights_layout(product.primitive));
    product.bias = cache->bias;
    float *columns = nn_scratch(nn, POSITIONS_AT_ONCE * shape.out);
    for (int64_t first = 0; first < positions && !nn_failed(nn); first += POSITIONS_AT_ONCE) {
        int64_t left = positions - first;
        int64_t count = left < POSITIONS_AT_ONCE ? left : POSITIONS_AT_ONCE;
        product_run(&product, x->data + first * x->c, count, columns);
        if (!nn_failed(nn)) spread_positions(columns, x, first, count, call->relu, base->out);
    }
    nn_scratch_free(nn, columns);
    product_end(&product);
    pack_release(nn, cache->packs);
}

// ---- Backward ----

struct backward {
    struct nn *nn;
    struct deconv *deconv;
    float *columns;  // dz of some positions, [positions, 4 out]
    float *weights;  // [4 out, in]; NULL if the input wants no gradient
    float *gradient; // of the weights, likewise; NULL if they are frozen
    float *grad;     // of the input
    bool add;
};

static void positions_backward(const struct backward *b, const float *x, float *grad, bool first,
                               int64_t count) {
    int64_t in = b->deconv->in_channels;
    int64_t out = AREA * b->deconv->out_channels;
    const struct matmul_rows rows = {b->nn, b->deconv->label, count, in, out, b->columns};
    if (b->gradient) matmul_rows_weights(&rows, x, !first, b->gradient);
    if (grad) matmul_rows_input(&rows, b->weights, b->add, grad);
}

void cpu_deconv_backward(struct nn *nn, struct call *base) {
    struct deconv_call *call = (struct deconv_call *)base;
    struct deconv *deconv = call->deconv;
    struct tensor *x = base->inputs[0];
    struct tensor *y = base->out;
    int64_t positions = tensor_rows(x);
    if (positions == 0) return;
    rows_relu_gradient(y, call->relu);
    rows_bias_gradient(nn, y, deconv->bias);
    struct backward b = {.nn = nn, .deconv = deconv};
    b.grad = nn_grad(nn, x, &b.add);
    int64_t step = positions < POSITIONS_BACKWARD ? positions : POSITIONS_BACKWARD;
    if (b.grad) b.weights = nn_scratch(nn, deconv->weight->count);
    if (deconv->weight->grad) b.gradient = nn_scratch(nn, deconv->weight->count);
    if (b.weights || b.gradient) b.columns = nn_scratch(nn, step * AREA * y->c);
    if (nn_failed(nn)) return;
    if (b.weights) permute(deconv, deconv->weight->data, b.weights);
    for (int64_t first = 0; b.columns && first < positions && !nn_failed(nn); first += step) {
        int64_t left = positions - first;
        int64_t count = left < step ? left : step;
        gather_positions(x, y, first, count, b.columns);
        positions_backward(&b, x->data + first * x->c, b.grad ? b.grad + first * x->c : NULL,
                           first == 0, count);
    }
    if (!nn_failed(nn) && b.gradient && deconv->weight->grad) add_permuted(b.gradient, deconv);
    nn_scratch_free(nn, b.columns);
    nn_scratch_free(nn, b.gradient);
    nn_scratch_free(nn, b.weights);
}
