// The linear layer on CUDA. PyTorch's columns come in the order (c, h, w) and ours in (h, w, c), so
// weights are permuted on their way.

#include "nn/cuda/dnn.h"
#include "nn/cuda/kept.h"
#include "nn/cuda/rows.h"

extern "C" {
#include "nn/linear/linear.h"
}

// Weights are permuted by tiles of one result's: some channels at some positions, which a block
// keeps until all of them are there. So it reads and writes what lies side by side in either order.
static constexpr int64_t PERMUTED_CHANNELS = 32;
static constexpr int64_t PERMUTED_POSITIONS = 64;

struct permuted_tile {
    float values[PERMUTED_CHANNELS][PERMUTED_POSITIONS + 1]; // one more: for the banks of memory
};

// What of the weights is a block's: [channels, positions] from the first of each.
struct permuted_part {
    int64_t out, channel, position;
    int64_t channels, positions;
};

static __device__ struct permuted_part part_of(int64_t area, int64_t c) {
    int64_t channel = (int64_t)blockIdx.y * PERMUTED_CHANNELS;
    int64_t position = (int64_t)blockIdx.z * PERMUTED_POSITIONS;
    return permuted_part{
        blockIdx.x,
        channel,
        position,
        c - channel < PERMUTED_CHANNELS ? c - channel : PERMUTED_CHANNELS,
        area - position < PERMUTED_POSITIONS ? area - position : PERMUTED_POSITIONS,
    };
}

// A warp for each channel: run(channel, position, where that lies in [out, c, area]).
template <class Run>
static __device__ void by_channels(const struct permuted_part &part, int64_t area, int64_t c,
                                   Run run) {
    for (int64_t j = threadIdx.y; j < part.channels; j += blockDim.y)
        for (int64_t i = threadIdx.x; i < part.positions; i += blockDim.x)
            run(j, i, (part.out * c + part.channel + j) * area + part.position + i);
}

// A warp for each position: run(channel, position, where that lies in [out, area, c]).
template <class Run>
static __device__ void by_positions(const struct permuted_part &part, int64_t area, int64_t c,
                                    Run run) {
    for (int64_t i = threadIdx.y; i < part.positions; i += blockDim.y)
        for (int64_t j = threadIdx.x; j < part.channels; j += blockDim.x)
            run(j, i, (part.out * area + part.position + i) * c + part.channel + j);
}

// permuted[out, (h, w), c] = weights[out, c, (h, w)]
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    permute(const float *weights, int64_t area, int64_t c, Number *permuted) {
    __shared__ struct permuted_tile tile;
    struct permuted_part part = part_of(area, c);
    by_channels(part, area, c,
                [&](int64_t j, int64_t i, int64_t at) { tile.values[j][i] = weights[at]; });
    __syncthreads();
    by_positions(part, area, c, [&](int64_t j, int64_t i, int64_t at) {
        permuted[at] = rounded<Number>(tile.values[j][i]);
    });
}

// The other way, and added.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_permuted(const float *permuted, int64_t area, int64_t c, float *grad) {
    __shared__ struct permuted_tile tile;
    struct permuted_part part = part_of(area, c);
    by_positions(part, area, c,
                 [&](int64_t j, int64_t i, int64_t at) { tile.values[j][i] = permuted[at]; });
    __syncthreads();
    by_channels(part, area, c,
                [&](int64_t j, int64_t i, int64_t at) { grad[at] += tile.values[j][i]; });
}

static constexpr unsigned WARP_THREADS = 32;
static const dim3 PERMUTED_BLOCK(WARP_THREADS, (unsigned)BLOCK_THREADS / WARP_THREADS);

static dim3 permuted_grid(const struct linear *linear, int64_t area) {
    return dim3((unsigned)linear->out, blocks_for(linear->in / area, PERMUTED_CHANNELS),
                blocks_for(area, PERMUTED_POSITIONS));
}

// Of one position the order is the same.
static void run_permute(struct nn *nn, const struct linear *linear, int64_t area,
                        struct numbers permuted) {
    struct operands o = {.nn = nn};
    const float *weights = operand_values(&o, linear->weight);
    if (area == 1)
        cuda_rows_convert(nn, weights, linear->weight->count, permuted);
    else
        with_type(permuted.type, [&](auto number) {
            using Number = decltype(number);
            LAUNCH(nn, (permute<Number>), permuted_grid(linear, area), PERMUTED_BLOCK, 0, weights,
                   area, linear->in / area, permuted.as<Number>());
        });
    operands_end(&o);
}

static void run_add_permuted(struct nn *nn, const struct linear *linear, int64_t area,
                             const float *permuted, float *grad) {
    if (area == 1)
        cuda_rows_add(nn, permuted, linear->weight->count, grad);
    else
        LAUNCH(nn, add_permuted, permuted_grid(linear, area), PERMUTED_BLOCK, 0, permuted, area,
               linear->in / area, grad);
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
        run_add_permuted(nn, linear, area, permuted, grad);
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
