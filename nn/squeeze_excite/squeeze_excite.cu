// Squeeze and excitation on CUDA. The two small layers are one kernel each way: a warp for each
// number.

#include "nn/cuda/columns.h"
#include "nn/cuda/rows.h"
#include "nn/cuda/tiles.h"

extern "C" {
#include "nn/squeeze_excite/squeeze_excite.h"
}

enum { WARP = 32, WARPS = BLOCK_THREADS / WARP };

struct layer {
    const float *weight, *bias; // [out, in], [out]
    int64_t in, out;
};

enum activation { RELU, SIGMOID };

static __device__ float warp_sum(float value) {
    for (int by = WARP / 2; by > 0; by /= 2)
        value += __shfl_down_sync(0xffffffffu, value, (unsigned)by);
    return value;
}

// y[n, out] = activation(x[n, in] weight^T + bias), x divided by divisor.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    run_layer(struct layer layer, const float *x, float divisor, int64_t n,
              enum activation activation, float *y) {
    int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    if (i >= n * layer.out) return; // all lanes of a warp
    const float *weights = layer.weight + i % layer.out * layer.in;
    const float *from = x + i / layer.out * layer.in;
    float value = 0;
    for (int64_t j = threadIdx.x; j < layer.in; j += WARP)
        value += weights[j] * (from[j] / divisor);
    value = warp_sum(value);
    if (threadIdx.x > 0) return;
    value += layer.bias[i % layer.out];
    y[i] = activation == RELU ? (value < 0 ? 0 : value) : 1 / (1 + expf(-value));
}

// dx[n, in] = (dy[n, out] weight) / divisor, and 0 where x is not positive if x is given.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    layer_input_gradient(struct layer layer, const float *dy, const float *x, float divisor,
                         int64_t n, float *dx) {
    int64_t i = global_index();
    if (i >= n * layer.in) return;
    int64_t image = i / layer.in;
    float value = 0;
    for (int64_t o = 0; o < layer.out; o++)
        value += layer.weight[o * layer.in + i % layer.in] * dy[image * layer.out + o];
    dx[i] = x && !(x[i] > 0) ? 0 : value / divisor;
}

// dweight[out, in] += dy^T x / divisor
static __global__ void __launch_bounds__(BLOCK_THREADS)
    layer_weight_gradient(struct layer layer, const float *x, float divisor, const float *dy,
                          int64_t n, float *dweight) {
    int64_t i = global_index();
    if (i >= layer.in * layer.out) return;
    double total = 0;
    for (int64_t image = 0; image < n; image++)
        total += (double)(x[image * layer.in + i % layer.in] / divisor) *
                 (double)dy[image * layer.out + i / layer.in];
    dweight[i] += (float)total;
}

// The views of a squeeze_excite's layers.
struct layers {
    struct layer first, second;
};

static struct layers layers_of(struct operands *o, const struct squeeze_excite *se) {
    return layers{{operand_values(o, se->fc1_weight), operand_values(o, se->fc1_bias), se->channels,
                   se->hidden},
                  {operand_values(o, se->fc2_weight), operand_values(o, se->fc2_bias), se->hidden,
                   se->channels}};
}

void cuda_squeeze_excite_forward(struct nn *nn, struct call *base) {
    struct squeeze_excite_call *call = (struct squeeze_excite_call *)base;
    const struct squeeze_excite *se = call->se;
    const struct tensor *x = base->inputs[0];
    int64_t rows = x->h * x->w;
    call->state = nn_scratch(nn, 2 * x->n * x->c + x->n * se->hidden);
    if (!call->state) return;
    struct squeeze_excite_state state = squeeze_excite_state_of(call);
    cuda_columns_reduce(nn, COLUMNS_SUM, data_of(x), NULL, x->n, rows, x->c, state.means);
    if (x->n) {
        struct operands o = {.nn = nn};
        struct layers layers = layers_of(&o, se);
        dim3 block(WARP, WARPS);
        LAUNCH(nn, run_layer, blocks_for(x->n * se->hidden, WARPS), block, 0, layers.first,
               (const float *)state.means, (float)rows, x->n, RELU, state.hidden);
        LAUNCH(nn, run_layer, blocks_for(x->n * x->c, WARPS), block, 0, layers.second,
               (const float *)state.hidden, 1.0f, x->n, SIGMOID, state.gates);
        operands_end(&o);
    }
    const struct rows_pass pass = {x, state.gates, NULL, call->residual, call->relu, base->out};
    cuda_rows_apply(nn, &pass);
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->state);
        call->state = NULL;
    }
}

// ---- Backward ----

// opened *= the slope of the sigmoid
static __global__ void __launch_bounds__(BLOCK_THREADS)
    close_gates(const float *gates, int64_t count, float *opened) {
    int64_t i = global_index();
    if (i < count) opened[i] *= gates[i] * (1 - gates[i]);
}

// grad = (add ? grad : 0) + dy gates + pull: through the product, and through the means.
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pull_rows(const Number *dy, const float *gates, const float *pull, int64_t n, int64_t rows,
              int64_t c, bool add, Number *grad) {
    int64_t j = tile_channel();
    if (j >= c) return;
    for (int64_t image = blockIdx.z; image < n; image += gridDim.z) {
        for (int64_t row = tile_first_row(); row < rows; row += tile_row_step()) {
            int64_t at = (image * rows + row) * c + j;
            float value = loaded(dy[at]) * gates[image * c + j] + pull[image * c + j];
            grad[at] = rounded<Number>(add ? loaded(grad[at]) + value : value);
        }
    }
}

static void accumulate(struct nn *nn, struct operands *o, const struct layer *layer,
                       const struct parameter *weight, const struct parameter *bias, const float *x,
                       float divisor, const float *dy, int64_t n) {
    float *dweight = operand_gradient(o, weight);
    float *dbias = operand_gradient(o, bias);
    if (dweight)
        LAUNCH(nn, layer_weight_gradient, blocks_for(weight->count, BLOCK_THREADS), BLOCK_THREADS,
               0, *layer, x, divisor, dy, n, dweight);
    if (dbias) cuda_columns_add(nn, dy, n, layer->out, dbias);
}

// From opened[n, c], dLoss/dgates, to the parameters and to pull[n, c].
static void layers_backward(struct nn *nn, const struct squeeze_excite_call *call, float *opened,
                            float *pull, float *hidden) {
    const struct squeeze_excite *se = call->se;
    const struct tensor *x = call->call.inputs[0];
    struct squeeze_excite_state state = squeeze_excite_state_of(call);
    float rows = (float)(x->h * x->w);
    int64_t n = x->n;
    struct operands o = {.nn = nn};
    struct layers layers = layers_of(&o, se);
    LAUNCH(nn, close_gates, blocks_for(n * x->c, BLOCK_THREADS), BLOCK_THREADS, 0,
           (const float *)state.gates, n * x->c, opened);
    accumulate(nn, &o, &layers.second, se->fc2_weight, se->fc2_bias, state.hidden, 1, opened, n);
    LAUNCH(nn, layer_input_gradient, blocks_for(n * se->hidden, BLOCK_THREADS), BLOCK_THREADS, 0,
           layers.second, (const float *)opened, (const float *)state.hidden, 1.0f, n, hidden);
    accumulate(nn, &o, &layers.first, se->fc1_weight, se->fc1_bias, state.means, rows, hidden, n);
    LAUNCH(nn, layer_input_gradient, blocks_for(n * x->c, BLOCK_THREADS), BLOCK_THREADS, 0,
           layers.first, (const float *)hidden, (const float *)NULL, rows, n, pull);
    operands_end(&o);
}

void cuda_squeeze_excite_backward(struct nn *nn, struct call *base) {
    struct squeeze_excite_call *call = (struct squeeze_excite_call *)base;
    struct tensor *x = base->inputs[0];
    struct squeeze_excite_state state = squeeze_excite_state_of(call);
    int64_t rows = x->h * x->w;
    cuda_rows_relu_gradient(nn, base->out, call->relu);
    float *opened = nn_scratch(nn, 2 * x->n * x->c + x->n * call->se->hidden);
    if (!opened) return;
    float *pull = opened + x->n * x->c;
    float *hidden = pull + x->n * x->c;
    cuda_columns_reduce(nn, COLUMNS_DOT, grad_of(base->out), data_of(x), x->n, rows, x->c, opened);
    if (x->n) layers_backward(nn, call, opened, pull, hidden);
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    if (grad.data && x->n) {
        struct tiles tiles = tiles_of(x->n, rows, x->c, TILE_ROWS_EACH);
        with_type(x->type, [&](auto number) {
            using Number = decltype(number);
            LAUNCH(nn, (pull_rows<Number>), tiles.grid, tiles.block, 0,
                   (const Number *)grad_of(base->out).as<Number>(), (const float *)state.gates,
                   (const float *)pull, x->n, rows, x->c, add, grad.as<Number>());
        });
    }
    nn_scratch_free(nn, opened);
    nn_scratch_free(nn, call->state);
    call->state = NULL;
    cuda_rows_residual_gradient(nn, base->out, call->residual);
}
