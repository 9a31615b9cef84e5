// Group normalisation on CUDA: a reading pass that measures each channel of each piece of an image
// (deviations from a value of that channel, so that nothing cancels), a kernel that joins channels
// and pieces to groups, and a pass that writes. Backward the same with two sums for each channel.

#include "nn/cuda/block.h"
#include "nn/cuda/columns.h"
#include "nn/cuda/packs.h"
#include "nn/cuda/rows.h"
#include "nn/cuda/tiles.h"

extern "C" {
#include "nn/group_norm/group_norm.h"
#include "nn/group_norm/group_norm_math.h"
}

// An image as the kernels see it.
struct shape {
    int64_t n, rows, c, groups;
};

static struct shape shape_of(const struct tensor *x, const struct group_norm *norm) {
    CHECK(x->c <= INT32_MAX);
    return shape{x->n, x->h * x->w, x->c, norm->groups};
}

// Every group of an image has two numbers: of the groups that the channels of a pack are in, the
// first of them or the second.
template <class Pack>
static __device__ float_pack<Pack> of_groups(const float *pairs, const struct shape &s,
                                             int64_t pack, int which) {
    unsigned size = (unsigned)s.c / (unsigned)s.groups;
    unsigned channel = (unsigned)pack * Pack::COUNT;
    unsigned group = channel / size;
    unsigned within = channel % size;
    float_pack<Pack> numbers;
    for (int k = 0; k < Pack::COUNT; k++) {
        numbers.set(k, pairs[2 * group + (unsigned)which]);
        if (++within < size) continue;
        within = 0;
        group++;
    }
    return numbers;
}

// The tiles of a pass over packs of channels; a thread has found out much before its first row.
template <class Pack> static struct tiles tiles_of_packs(const struct shape &s) {
    return tiles_of(s.n, s.rows, s.c / Pack::COUNT, TILE_ROWS_EACH);
}

// Of a block that joins so many values: whole warps, and no more than find work, since a box head
// has tens of thousands of small groups.
static unsigned threads_for(int64_t values) {
    unsigned threads = 32;
    while (threads < BLOCK_THREADS && threads < values)
        threads *= 2;
    return threads;
}

// ---- Forward ----

// found[image, piece of the rows, c]
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    measure(const Number *x, struct shape s, struct moments *found) {
    __shared__ struct moments lines[BLOCK_THREADS];
    int64_t j = tile_channel();
    unsigned number = threadIdx.y * blockDim.x + threadIdx.x;
    for (int64_t image = blockIdx.z; image < s.n; image += gridDim.z) {
        int64_t first = image * s.rows * s.c + j;
        int64_t row = tile_first_row();
        struct moments own = {0, 0, 0};
        if (j < s.c && row < s.rows) {
            float shift = loaded(x[first + row * s.c]);
            float offset = 0;
            float squares = 0;
            int64_t count = 0;
            for (; row < s.rows; row += tile_row_step(), count++) {
                float distance = loaded(x[first + row * s.c]) - shift;
                offset += distance;
                squares += distance * distance;
            }
            double mean = (double)(offset / (float)count);
            own = moments{(double)count, (double)shift + mean,
                          (double)squares - (double)offset * mean};
        }
        lines[number] = own;
        for (unsigned left = blockDim.y / 2; left > 0; left /= 2) {
            __syncthreads();
            if (threadIdx.y < left)
                lines[number] = moments_merge(lines[number], lines[number + left * blockDim.x]);
        }
        __syncthreads();
        if (threadIdx.y == 0 && j < s.c)
            found[(image * gridDim.y + blockIdx.y) * s.c + j] = lines[number];
        __syncthreads();
    }
}

// statistics[n, groups, 2]; a block for each image and group.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    conclude(const struct moments *moments, struct shape s, int64_t parts, double epsilon,
             float *statistics) {
    __shared__ struct moments threads[BLOCK_THREADS];
    int64_t image = blockIdx.x / s.groups;
    int64_t size = s.c / s.groups;
    int64_t first = blockIdx.x % s.groups * size;
    struct moments own = {0, 0, 0};
    for (int64_t i = threadIdx.x; i < parts * size; i += blockDim.x) {
        int64_t at = (image * parts + i / size) * s.c + first + i % size;
        own = moments_merge(own, moments[at]);
    }
    threads[threadIdx.x] = own;
    for (unsigned left = blockDim.x / 2; left > 0; left /= 2) {
        __syncthreads();
        if (threadIdx.x < left)
            threads[threadIdx.x] = moments_merge(threads[threadIdx.x], threads[threadIdx.x + left]);
    }
    if (threadIdx.x > 0) return;
    statistics[2 * blockIdx.x] = (float)threads[0].mean;
    statistics[2 * blockIdx.x + 1] = (float)moments_inverse_deviation(threads[0], epsilon);
}

enum { BLOCKS_OF_PASS = 4 }; // on a processor: for more, some would spill registers

// statistics and means [n, groups, 2]; rows of s.c / Pack::COUNT packs here and below.
template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_OF_PASS)
    normalise(const Pack *x, struct shape s, const float *statistics,
              const float_pack<Pack> *weight, const float_pack<Pack> *bias, const Pack *residual,
              bool relu, Pack *y) {
    int64_t j = tile_channel();
    int64_t packs = s.c / Pack::COUNT;
    if (j >= packs) return;
    for (int64_t image = blockIdx.z; image < s.n; image += gridDim.z) {
        const float *of_image = statistics + 2 * image * s.groups;
        float_pack<Pack> mean = of_groups<Pack>(of_image, s, j, 0);
        float_pack<Pack> inverse = of_groups<Pack>(of_image, s, j, 1);
        float_pack<Pack> scale = weight[j];
        float_pack<Pack> shift = bias[j];
        for (int k = 0; k < Pack::COUNT; k++)
            scale.set(k, scale.get(k) * inverse.get(k));
        for (int64_t row = tile_first_row(); row < s.rows; row += tile_row_step()) {
            int64_t at = (image * s.rows + row) * packs + j;
            Pack values = x[at];
            Pack more = residual ? residual[at] : values;
            for (int k = 0; k < Pack::COUNT; k++) {
                float value = (values.get(k) - mean.get(k)) * scale.get(k) + shift.get(k);
                if (residual) value += more.get(k);
                values.set(k, relu && value < 0 ? 0 : value); // a NaN stays one
            }
            y[at] = values;
        }
    }
}

static void find_statistics(struct nn *nn, const struct tensor *x, const struct group_norm *norm,
                            float *statistics) {
    struct shape s = shape_of(x, norm);
    struct tiles tiles = tiles_of(s.n, s.rows, s.c, TILE_ROWS_EACH_OF_SUM);
    int64_t parts = tiles.grid.y;
    int64_t floats = (int64_t)(sizeof(struct moments) / sizeof(float));
    float *memory = nn_scratch(nn, s.n * parts * s.c * floats);
    struct moments *moments = (struct moments *)(void *)memory;
    with_type(x->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (measure<Number>), tiles.grid, tiles.block, 0,
               (const Number *)data_of(x).as<Number>(), s, moments);
    });
    LAUNCH(nn, conclude, (unsigned)(s.n * s.groups), threads_for(parts * (s.c / s.groups)), 0,
           (const struct moments *)moments, s, parts, (double)norm->epsilon, statistics);
    nn_scratch_free(nn, memory);
}

void cuda_group_norm_forward(struct nn *nn, struct call *base) {
    struct group_norm_call *call = (struct group_norm_call *)base;
    const struct group_norm *norm = call->norm;
    const struct tensor *x = base->inputs[0];
    struct shape s = shape_of(x, norm);
    call->statistics = nn_scratch(nn, s.n * s.groups * 2);
    if (tensor_count(x)) {
        find_statistics(nn, x, norm, call->statistics);
        struct operands o = {.nn = nn};
        const float *weight = operand_values(&o, norm->weight);
        const float *bias = operand_values(&o, norm->bias);
        struct numbers residual = data_of(call->residual);
        with_packs(
            x->type, s.c, {x->data, weight, bias, residual.data, base->out->data}, [&](auto pack) {
                using Pack = decltype(pack);
                using Floats = float_pack<Pack>;
                struct tiles tiles = tiles_of_packs<Pack>(s);
                LAUNCH(nn, (normalise<Pack>), tiles.grid, tiles.block, 0, data_of(x).as<Pack>(), s,
                       call->statistics, numbers(weight).as<Floats>(), numbers(bias).as<Floats>(),
                       residual.as<Pack>(), call->relu, data_of(base->out).as<Pack>());
            });
        operands_end(&o);
    }
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->statistics);
        call->statistics = NULL;
    }
}

// ---- Backward ----

// t = (x - mean) / deviation
template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_OF_PASS)
    make_normalised(const Pack *x, struct shape s, const float *statistics, Pack *t) {
    int64_t j = tile_channel();
    int64_t packs = s.c / Pack::COUNT;
    if (j >= packs) return;
    for (int64_t image = blockIdx.z; image < s.n; image += gridDim.z) {
        const float *of_image = statistics + 2 * image * s.groups;
        float_pack<Pack> mean = of_groups<Pack>(of_image, s, j, 0);
        float_pack<Pack> inverse = of_groups<Pack>(of_image, s, j, 1);
        for (int64_t row = tile_first_row(); row < s.rows; row += tile_row_step()) {
            int64_t at = (image * s.rows + row) * packs + j;
            Pack values = x[at];
            for (int k = 0; k < Pack::COUNT; k++)
                values.set(k, (values.get(k) - mean.get(k)) * inverse.get(k));
            t[at] = values;
        }
    }
}

// means[n, groups, 2]: of dt and of dt t over a group; a block for each. sums and dots are [n, c],
// of dy and of dy t.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    group_means(const float *sums, const float *dots, const float *weight, struct shape s,
                float *means) {
    int64_t image = blockIdx.x / s.groups;
    int64_t size = s.c / s.groups;
    int64_t first = blockIdx.x % s.groups * size;
    double total = 0;
    double along = 0;
    for (int64_t j = first + threadIdx.x; j < first + size; j += blockDim.x) {
        total += (double)weight[j] * (double)sums[image * s.c + j];
        along += (double)weight[j] * (double)dots[image * s.c + j];
    }
    total = block_sum(total);
    along = block_sum(along);
    double count = (double)s.rows * (double)size;
    if (threadIdx.x > 0) return;
    means[2 * blockIdx.x] = (float)(total / count);
    means[2 * blockIdx.x + 1] = (float)(along / count);
}

// grad = (add ? grad : 0) + (dy weight - mean dt - t mean dt t) / deviation
template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_OF_PASS)
    pull(const Pack *t, const Pack *dy, struct shape s, const float *statistics, const float *means,
         const float_pack<Pack> *weight, bool add, Pack *grad) {
    int64_t j = tile_channel();
    int64_t packs = s.c / Pack::COUNT;
    if (j >= packs) return;
    for (int64_t image = blockIdx.z; image < s.n; image += gridDim.z) {
        int64_t first = 2 * image * s.groups;
        float_pack<Pack> inverse = of_groups<Pack>(statistics + first, s, j, 1);
        float_pack<Pack> level = of_groups<Pack>(means + first, s, j, 0);
        float_pack<Pack> slope = of_groups<Pack>(means + first, s, j, 1);
        float_pack<Pack> scale = weight[j];
        for (int k = 0; k < Pack::COUNT; k++) {
            scale.set(k, scale.get(k) * inverse.get(k));
            level.set(k, level.get(k) * inverse.get(k));
            slope.set(k, slope.get(k) * inverse.get(k));
        }
        for (int64_t row = tile_first_row(); row < s.rows; row += tile_row_step()) {
            int64_t at = (image * s.rows + row) * packs + j;
            Pack along = t[at];
            Pack gradient = dy[at];
            Pack sum = add ? grad[at] : gradient;
            for (int k = 0; k < Pack::COUNT; k++) {
                float value =
                    gradient.get(k) * scale.get(k) - (level.get(k) + along.get(k) * slope.get(k));
                sum.set(k, add ? sum.get(k) + value : value);
            }
            grad[at] = sum;
        }
    }
}

static void backward(struct nn *nn, const struct group_norm_call *call, struct tensor *x) {
    struct shape s = shape_of(x, call->norm);
    struct numbers dy = grad_of(call->call.out);
    const float *statistics = call->statistics;
    struct numbers t = scratch_numbers(nn, x->type, tensor_count(x));
    float *sums = nn_scratch(nn, 2 * s.n * s.c + 2 * s.n * s.groups);
    if (nn_failed(nn)) return;
    float *dots = sums + s.n * s.c;
    float *means = dots + s.n * s.c;
    with_packs(x->type, s.c, {x->data, t.data}, [&](auto pack) {
        using Pack = decltype(pack);
        struct tiles tiles = tiles_of_packs<Pack>(s);
        LAUNCH(nn, (make_normalised<Pack>), tiles.grid, tiles.block, 0, data_of(x).as<Pack>(), s,
               statistics, t.as<Pack>());
    });
    cuda_columns_reduce(nn, COLUMNS_SUM, dy, NULL, s.n, s.rows, s.c, sums);
    cuda_columns_reduce(nn, COLUMNS_DOT, dy, t, s.n, s.rows, s.c, dots);
    struct operands o = {.nn = nn};
    float *dbias = operand_gradient(&o, call->norm->bias);
    float *dweight = operand_gradient(&o, call->norm->weight);
    if (dbias) cuda_columns_add(nn, sums, s.n, s.c, dbias);
    if (dweight) cuda_columns_add(nn, dots, s.n, s.c, dweight);
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    if (grad.data) {
        const float *weight = operand_values(&o, call->norm->weight);
        LAUNCH(nn, group_means, (unsigned)(s.n * s.groups), threads_for(s.c / s.groups), 0,
               (const float *)sums, (const float *)dots, weight, s, means);
        with_packs(x->type, s.c, {t.data, dy.data, weight, grad.data}, [&](auto pack) {
            using Pack = decltype(pack);
            struct tiles tiles = tiles_of_packs<Pack>(s);
            LAUNCH(nn, (pull<Pack>), tiles.grid, tiles.block, 0, t.as<Pack>(), dy.as<Pack>(), s,
                   statistics, means, numbers(weight).as<float_pack<Pack>>(), add, grad.as<Pack>());
        });
    }
    operands_end(&o);
    nn_scratch_free(nn, sums);
    nn_scratch_free(nn, t.data);
}

void cuda_group_norm_backward(struct nn *nn, struct call *base) {
    struct group_norm_call *call = (struct group_norm_call *)base;
    struct tensor *x = base->inputs[0];
    cuda_rows_relu_gradient(nn, base->out, call->relu);
    bool empty = tensor_count(x) == 0;
    bool add = false;
    if (empty) (void)nn_grad(nn, x, &add);
    if (!empty && (base->trains || x->wants_grad)) backward(nn, call, x);
    nn_scratch_free(nn, call->statistics);
    call->statistics = NULL;
    cuda_rows_residual_gradient(nn, base->out, call->residual);
}
