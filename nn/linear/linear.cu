// The linear layer on CUDA. PyTorch's columns come in the order (c, h, w) and ours in (h, w, c), so
// weights are permuted on their way.

#include "nn/cuda/dnn.h"
#include "nn/cuda/kept.h"
#include "nn/cuda/rows.h"

extern "C" {
#include "nn/linear/linear.h"
}

// permuted[out, (h, w), c] = weights[out, c, (h, w)], or the other way and added.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    permute(const float *weights, int64_t count, int64_t area, int64_t c, float *permuted) {
    int64_t i = global_index();
    if (i >= count) return;
    int64_t out = i / (area * c);
    permuted[i] = weights[(out * c + i % c) * area + i / c % area];
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_permuted(const float *permuted, int64_t count, int64_t area, int64_t c, float *grad) {
    int64_t i = global_index();
    if (i >= count) return;
    int64_t out = i / (area * c);
    grad[(out * c + i % c) * area + i / c % area] += permuted[i];
}

static void run_permute(struct nn *nn, const struct linear *linear, int64_t area, float *permuted) {
    struct operands o = {.nn = nn};
    const float *weights = operand_values(&o, linear->weight);
    LAUNCH(nn, permute, blocks_for(linear->weight->count, BLOCK_THREADS), BLOCK_THREADS, 0, weights,
           linear->weight->count, area, linear->in / area, permuted);
    operands_end(&o);
}

// In scratch memory.
static float *permuted_weights(struct nn *nn, const struct linear *linear, int64_t area) {
    float *permuted = nn_scratch(nn, linear->weight->count);
    run_permute(nn, linear, area, permuted);
    return permuted;
}

// In inference they are kept.
struct linear_cache {
    struct kept permuted; // its form is the area
};

static const float *kept_weights(struct nn *nn, struct linear *linear, int64_t area) {
    struct linear_cache *cache = cuda_cache(nn, &linear->cache);
    if (!cache) return NULL;
    return cuda_kept(nn, &cache->permuted, linear->weight, linear->weight->count, area,
                     [&](float *values) { run_permute(nn, linear, area, values); });
}

void cuda_linear_forward(struct nn *nn, struct call *base) {
    const struct linear_call *call = (const struct linear_call *)base;
    struct linear *linear = call->linear;
    const struct tensor *x = base->inputs[0];
    int64_t area = x->h * x->w;
    bool keeps = nn->mode == NN_INFERENCE;
    if (x->n == 0) return;
    float *own = keeps ? NULL : permuted_weights(nn, linear, area);
    const float *weights = keeps ? kept_weights(nn, linear, area) : own;
    struct operands o = {.nn = nn};
    const struct dnn_epilogue epilogue = {operand_values(&o, linear->bias), NULL, call->relu};
    struct dnn_shape shape = dnn_product(x->n, linear->in, linear->out);
    dnn_forward(nn, &shape, x->data, weights, &epilogue, base->out->data);
    operands_end(&o);
    nn_scratch_free(nn, own);
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
    const float *dz = base->out->grad;
    cuda_rows_bias_gradient(nn, dz, x->n, linear->out, linear->bias);
    struct operands o = {.nn = nn};
    float *grad = operand_gradient(&o, linear->weight);
    if (grad) {
        float *permuted = nn_scratch(nn, count);
        dnn_backward_weights(nn, &shape, x->data, dz, permuted);
        LAUNCH(nn, add_permuted, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const float *)permuted, count, area, linear->in / area, grad);
        nn_scratch_free(nn, permuted);
    }
    operands_end(&o);
    bool add = false;
    float *dx = nn_grad(nn, x, &add);
    if (!dx) return;
    float *weights = permuted_weights(nn, linear, area);
    dnn_backward_data(nn, &shape, dz, weights, add, dx);
    nn_scratch_free(nn, weights);
}
