// The transposed convolution on CUDA: a product of each position with 4 out columns, in the order
// (i, j, o), and a rearrangement.

#include "nn/cuda/dnn.h"
#include "nn/cuda/kept.h"
#include "nn/cuda/maps.h"
#include "nn/cuda/packs.h"
#include "nn/cuda/rows.h"

extern "C" {
#include "nn/deconv/deconv.h"
}

struct sizes {
    int64_t n, h, w, in, out;
};

// Of the product.
static struct dnn_shape shape_of(const struct sizes &s) {
    return dnn_shape{s.n,       s.h, s.w, s.in, s.h, s.w,
                     4 * s.out, 1,   1,   1,    0,   dnn_regions_at_once(s.h * s.w)};
}

static struct sizes sizes_of(const struct deconv *deconv, const struct tensor *x) {
    return sizes{x->n, x->h, x->w, deconv->in_channels, deconv->out_channels};
}

// Where row (i, j, o) and column c of the product's weights come from: [in, out, 2, 2].
static __device__ int64_t source_of(const struct sizes &s, int64_t index) {
    int64_t c = index % s.in;
    int64_t o = index / s.in % s.out;
    int64_t corner = index / s.in / s.out;
    return (c * s.out + o) * 4 + corner;
}

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pack_weights(const float *weights, struct sizes s, Number *packed) {
    int64_t i = global_index();
    if (i < 4 * s.out * s.in) packed[i] = rounded<Number>(weights[source_of(s, i)]);
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_packed(const float *packed, struct sizes s, float *grad) {
    int64_t i = global_index();
    if (i < 4 * s.out * s.in) grad[source_of(s, i)] += packed[i];
}

// Where a pack of the result lies in the result, and where in the product, (position, i, j, o).
struct places {
    int64_t result, product;
};

// s.out is in packs.
static __device__ struct places places_of(const struct sizes &s, const struct map_place &p) {
    int64_t row = p.image * 2 * s.h + p.row; // of all images, whose rows double alike
    int64_t position = row / 2 * s.w + p.column / 2;
    int64_t corner = row % 2 * 2 + p.column % 2;
    return places{(row * 2 * s.w + p.column) * s.out + p.channel,
                  (position * 4 + corner) * s.out + p.channel};
}

template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    spread(const Pack *product, struct sizes s, const float_pack<Pack> *bias, bool relu, Pack *y) {
    struct map_place p = map_place_of(2 * s.h, 2 * s.w, s.out);
    if (p.column >= 2 * s.w) return;
    struct places at = places_of(s, p);
    Pack values = product[at.product];
    float_pack<Pack> shift = bias[p.channel];
    for (int k = 0; k < Pack::COUNT; k++) {
        float value = values.get(k) + shift.get(k);
        values.set(k, relu && value < 0 ? 0 : value);
    }
    y[at.result] = values;
}

template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    collect(const Pack *dy, struct sizes s, Pack *product) {
    struct map_place p = map_place_of(2 * s.h, 2 * s.w, s.out);
    if (p.column >= 2 * s.w) return;
    struct places at = places_of(s, p);
    product[at.product] = dy[at.result];
}

// With the result's channels in packs.
template <class Pack> static struct sizes in_packs(struct sizes s) {
    s.out /= Pack::COUNT;
    return s;
}

static unsigned blocks_of(const struct sizes &s) {
    return map_blocks(s.n, 2 * s.h, 2 * s.w, s.out);
}

static void run_pack(struct nn *nn, const struct deconv *deconv, const struct sizes &s,
                     struct numbers packed) {
    struct operands o = {.nn = nn};
    const float *weights = operand_values(&o, deconv->weight);
    with_type(packed.type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (pack_weights<Number>), blocks_for(deconv->weight->count, BLOCK_THREADS),
               BLOCK_THREADS, 0, weights, s, packed.as<Number>());
    });
    operands_end(&o);
}

// In scratch memory.
static struct numbers packed_weights(struct nn *nn, const struct deconv *deconv,
                                     const struct sizes &s) {
    struct numbers packed = scratch_numbers(nn, nn->activations, deconv->weight->count);
    run_pack(nn, deconv, s, packed);
    return packed;
}

// In inference they are kept.
struct deconv_cache {
    struct kept packed;
};

static struct numbers kept_weights(struct nn *nn, struct deconv *deconv, const struct sizes &s) {
    struct deconv_cache *cache = cuda_cache(nn, &deconv->cache);
    if (!cache) return numbers();
    return cuda_kept_numbers(nn, &cache->packed, deconv->weight, nn->activations,
                             deconv->weight->count, 0,
                             [&](struct numbers values) { run_pack(nn, deconv, s, values); });
}

void cuda_deconv_forward(struct nn *nn, struct call *base) {
    const struct deconv_call *call = (const struct deconv_call *)base;
    const struct tensor *x = base->inputs[0];
    const struct tensor *y = base->out;
    if (tensor_count(y) == 0) return;
    struct sizes s = sizes_of(call->deconv, x);
    bool keeps = nn->mode == NN_INFERENCE;
    CHECK(x->type == nn->activations);
    struct numbers own;
    if (!keeps) own = packed_weights(nn, call->deconv, s);
    struct numbers weights = keeps ? kept_weights(nn, call->deconv, s) : own;
    struct numbers product = scratch_numbers(nn, y->type, tensor_count(y));
    if (nn_failed(nn)) return;
    struct dnn_shape shape = shape_of(s);
    const struct dnn_epilogue nothing = {NULL, NULL, false};
    dnn_forward(nn, &shape, data_of(x), weights, &nothing, product);
    struct operands o = {.nn = nn};
    const float *bias = operand_values(&o, call->deconv->bias);
    with_packs(y->type, s.out, {product.data, bias, y->data}, [&](auto pack) {
        using Pack = decltype(pack);
        struct sizes packs = in_packs<Pack>(s);
        LAUNCH(nn, (spread<Pack>), blocks_of(packs), BLOCK_THREADS, 0, product.as<Pack>(), packs,
               numbers(bias).as<float_pack<Pack>>(), call->relu, data_of(y).as<Pack>());
    });
    operands_end(&o);
    nn_scratch_free(nn, product.data);
    nn_scratch_free(nn, own.data);
}

void cuda_deconv_backward(struct nn *nn, struct call *base) {
    const struct deconv_call *call = (const struct deconv_call *)base;
    const struct deconv *deconv = call->deconv;
    struct tensor *x = base->inputs[0];
    struct tensor *y = base->out;
    if (tensor_count(y) == 0) return;
    struct sizes s = sizes_of(deconv, x);
    struct dnn_shape shape = shape_of(s);
    int64_t count = deconv->weight->count;
    cuda_rows_relu_gradient(nn, y, call->relu);
    cuda_rows_bias_gradient(nn, grad_of(y), tensor_rows(y), s.out, deconv->bias);
    struct numbers product = scratch_numbers(nn, y->type, tensor_count(y));
    with_packs(y->type, s.out, {y->grad, product.data}, [&](auto pack) {
        using Pack = decltype(pack);
        struct sizes packs = in_packs<Pack>(s);
        LAUNCH(nn, (collect<Pack>), blocks_of(packs), BLOCK_THREADS, 0, grad_of(y).as<Pack>(),
               packs, product.as<Pack>());
    });
    struct operands o = {.nn = nn};
    float *grad = operand_gradient(&o, deconv->weight);
    if (grad) {
        float *packed = nn_scratch(nn, count);
        dnn_backward_weights(nn, &shape, data_of(x), product, packed);
        LAUNCH(nn, add_packed, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const float *)packed, s, grad);
        nn_scratch_free(nn, packed);
    }
    operands_end(&o);
    bool add = false;
    struct numbers dx = wanted_grad(nn, x, &add);
    struct numbers weights;
    if (dx.data) weights = packed_weights(nn, deconv, s);
    if (dx.data) dnn_backward_data(nn, &shape, product, weights, add, dx);
    nn_scratch_free(nn, weights.data);
    nn_scratch_free(nn, product.data);
}
