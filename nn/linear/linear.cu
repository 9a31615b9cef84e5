// The linear layer on CUDA. PyTorch's columns come in the order (c, h, w) and ours in (h, w, c), so
// weights are permuted on their way.

#include "nn/cuda/dnn.h"
#include "nn/cuda/kept.h"
#include "nn/cuda/rows.h"

extern "C" {
#include "nn/linear/linear.h"
}

// permuted[out, (h, w), c] = weights[out, c, (h, w)], or the other way and added.
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    permute(const float *weights, int64_t count, int64_t area, int64_t c, Number *permuted) {
    int64_t i = global_index();
    if (i >= count) return;
    int64_t out = i / (area * c);
    permuted[i] = rounded<Number>(weights[(out * c + i % c) * area + i / c % area]);
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_permuted(const float *permuted, int64_t count, int64_t area, int64_t c, float *grad) {
    int64_t i = global_index();
    if (i >= count) return;
    int64_t out = i / (area * c);
    grad[(out * c + i % c) * area + i / c % area] += permuted[i];
}

static void run_permute(struct nn *nn, const struct linear *linear, int64_t area,
                        struct numbers permuted) {
    struct operands o = {.nn = nn};
    int64_t count = linear->weight->count;
    const float *weights = operand_values(&o, linear->weight);
    with_type(permuted.type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (permute<Number>), blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, weights,
               count, area, linear->in / area, permuted.as<Number>());
    });
    operands_end(&o);
}

// In scratch memory.
static struct numbers permuted_weights(struct nn *nn, const struct linear *linear, int64_t area) {
    struct numbers permuted = scratch_numbers(nn, nn->activations, linear->weight->count);
    run_permute(nn, linear, area, permuted);
    return permuted;
}

// In inference they are kept.
struct linear_cache {
    struct kept permuted; // its form is the area
};

static struct numbers kept_weights(struct nn *nn, struct linear *linear, int64_t area) {
    struct linear_cache *cache = cuda_cache(nn, &linear->cache);
    if (!cache) return numbers();
    return cuda_kept_numbers(nn, &cache->permuted, linear->weight, nn->activations,
                             linear->weight->count, area,
                             [&](struct numbers values) { run_permute(nn, linear, area, values); });
}

void cuda_linear_forward(struct nn *nn, struct call *base) {
    const struct linear_call *call = (const struct linear_call *)base;
    struct linear *linear = call->linear;
    const struct tensor *x = base->inputs[0];
    int64_t area = x->h * x->w;
    bool keeps = nn->mode == NN_INFERENCE;
    if (x->n == 0) return;
    CHECK(x->type == nn->activations);
    struct numbers own;
    if (!keeps) own = permuted_weights(nn, linear, area);
    struct numbers weights = keeps ? kept_weights(nn, linear, area) : own;
    if (nn_failed(nn)) return;
    struct operands o = {.nn = nn};
    const struct dnn_epilogue epilogue = {operand_values(&o, linear->bias), NULL, call->relu};
    struct dnn_shape shape = dnn_product(x->n, linear->in, linear->out);
    dnn_forward(nn, &shape, data_of(x), weights, &epilogue, data_of(base->out));
    operands_end(&o);
    nn_scratch_free(nn, own.data);
}

void cuda_linear_backward(struct nn *nn, struct call *base) {
    const struct linear_call *call = (const struct linear_call *)base;
    const struct linear *linear = call->linear;
    struct tensor *x = base->inputs[0];
    int64_t area = x->h * x->w;
    int64_t count = linear->weight->count;
    if (x->n == 0) return; // nothing flows, and an input without a gradient has an empty one
    struct dnn_shape shape = dnn_product(x->n, linear->in, linear->out);
    cuda_rows_relu_gradient(nn, base->out, call->relu);
    void *copy = NULL;
    cuda_rows_bias_gradient(nn, grad_of(base->out), x->n, linear->out, linear->bias);
    struct numbers dz =
        cuda_rows_as(nn, nn->activations, grad_of(base->out), tensor_count(base->out), &copy);
    struct operands o = {.nn = nn};
    float *grad = operand_gradient(&o, linear->weight);
    if (grad) {
        float *permuted = nn_scratch(nn, count);
        dnn_backward_weights(nn, &shape, data_of(x), dz, permuted);
        LAUNCH(nn, add_permuted, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const float *)permuted, count, area, linear->in / area, grad);
        nn_scratch_free(nn, permuted);
    }
    operands_end(&o);
    bool add = false;
    struct numbers dx = wanted_grad(nn, x, &add);
    struct numbers weights;
    if (dx.data) weights = permuted_weights(nn, linear, area);
    if (dx.data) dnn_backward_data(nn, &shape, dz, weights, add, dx);
    nn_scratch_free(nn, weights.data);
    nn_scratch_free(nn, copy);
}
