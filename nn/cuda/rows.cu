#include "nn/cuda/rows.h"

#include "nn/cuda/columns.h"
#include "nn/cuda/packs.h"
#include "nn/cuda/tiles.h"

// ---- y = relu(norm(x scales) + residual) ----

template <class Pack> struct apply {
    const Pack *x;
    const float_pack<Pack> *scales, *norm;
    const Pack *residual;
    bool relu;
    int64_t n, rows, c; // channels in packs
    Pack *y;
};

enum { BLOCKS_OF_PASS = 4 }; // on a processor: for more, those of bf16 would spill registers

template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_OF_PASS)
    apply_pass(struct apply<Pack> a) {
    int64_t j = tile_channel();
    if (j >= a.c) return;
    for (int64_t image = blockIdx.z; image < a.n; image += gridDim.z) {
        float_pack<Pack> scale, shift;
        scale.fill(1);
        shift.fill(-0.0f); // keeps a -0
        if (a.scales) scale = a.scales[image * a.c + j];
        if (a.norm) {
            float_pack<Pack> factors = a.norm[j];
            shift = a.norm[a.c + j];
            for (int k = 0; k < Pack::COUNT; k++)
                scale.set(k, scale.get(k) * factors.get(k));
        }
        for (int64_t row = tile_first_row(); row < a.rows; row += tile_row_step()) {
            int64_t at = (image * a.rows + row) * a.c + j;
            Pack x = a.x[at];
            Pack residual = a.residual ? a.residual[at] : x;
            Pack y;
            for (int k = 0; k < Pack::COUNT; k++) {
                float value = x.get(k) * scale.get(k) + shift.get(k);
                if (a.residual) value += residual.get(k);
                y.set(k, a.relu && value < 0 ? 0 : value); // a NaN stays one
            }
            a.y[at] = y;
        }
    }
}

static __global__ void make_norm_factors(const float *weight, const float *bias, const float *mean,
                                         const float *variance, float epsilon, int64_t c,
                                         float *factors) {
    int64_t j = global_index();
    if (j >= c) return;
    float scale = weight[j] / sqrtf(variance[j] + epsilon);
    factors[j] = scale;
    factors[c + j] = bias[j] - mean[j] * scale;
}

float *cuda_norm_factors(struct nn *nn, const struct frozen_norm *norm, int64_t c) {
    float *factors = nn_scratch(nn, 2 * c);
    struct operands o = {.nn = nn};
    const float *weight = operand_values(&o, norm->weight);
    const float *bias = operand_values(&o, norm->bias);
    const float *mean = operand_values(&o, norm->mean);
    const float *variance = operand_values(&o, norm->variance);
    LAUNCH(nn, make_norm_factors, blocks_for(c, BLOCK_THREADS), BLOCK_THREADS, 0, weight, bias,
           mean, variance, norm->epsilon, c, factors);
    operands_end(&o);
    return factors;
}

// The tiles of a pass over packs of channels.
template <class Pack> static struct tiles tiles_of_packs(int64_t n, int64_t rows, int64_t c) {
    return tiles_of(n, rows, c / Pack::COUNT, PACK_ROWS_EACH);
}

void cuda_rows_apply(struct nn *nn, const struct rows_pass *pass) {
    const struct tensor *x = pass->x;
    struct numbers residual = data_of(pass->residual);
    int64_t rows = x->h * x->w;
    if (tensor_count(x) == 0) return;
    float *norm = pass->norm ? cuda_norm_factors(nn, pass->norm, x->c) : NULL;
    with_packs(
        x->type, x->c, {x->data, pass->scales, norm, residual.data, pass->y->data}, [&](auto pack) {
            using Pack = decltype(pack);
            struct tiles tiles = tiles_of_packs<Pack>(x->n, rows, x->c);
            struct apply<Pack> a = {
                .x = data_of(x).as<Pack>(), .scales = numbers(pass->scales).as<float_pack<Pack>>(),
                .norm = numbers(norm).as<float_pack<Pack>>(), .residual = residual.as<Pack>(),
                .relu = pass->relu, .n = x->n, .rows = rows, .c = x->c / Pack::COUNT,
                .y = data_of(pass->y).as<Pack>()
            };
            LAUNCH(nn, (apply_pass<Pack>), tiles.grid, tiles.block, 0, a);
        });
    nn_scratch_free(nn, norm);
}

void cuda_rows_scale(struct nn *nn, struct numbers x, const float *scales, int64_t n, int64_t rows,
                     int64_t c, struct numbers out) {
    if (n * rows * c == 0) return;
    with_packs(x.type, c, {x.data, scales, out.data}, [&](auto pack) {
        using Pack = decltype(pack);
        struct tiles tiles = tiles_of_packs<Pack>(n, rows, c);
        struct apply<Pack> a = {
            .x = x.as<Pack>(), .scales = numbers(scales).as<float_pack<Pack>>(), .n = n,
            .rows = rows, .c = c / Pack::COUNT, .y = out.as<Pack>()
        };
        LAUNCH(nn, (apply_pass<Pack>), tiles.grid, tiles.block, 0, a);
    });
}

// ---- Element by element ----

template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_all(const Pack *x, int64_t packs, Pack *out) {
    int64_t i = global_index();
    if (i >= packs) return;
    Pack sum = out[i];
    Pack more = x[i];
    for (int k = 0; k < Pack::COUNT; k++)
        sum.set(k, sum.get(k) + more.get(k));
    out[i] = sum;
}

void cuda_rows_add(struct nn *nn, struct numbers x, int64_t count, struct numbers out) {
    if (count == 0) return;
    with_packs(x.type, count, {x.data, out.data}, [&](auto pack) {
        using Pack = decltype(pack);
        int64_t packs = count / Pack::COUNT;
        LAUNCH(nn, (add_all<Pack>), blocks_for(packs, BLOCK_THREADS), BLOCK_THREADS, 0,
               x.as<Pack>(), packs, out.as<Pack>());
    });
}

template <class From, class To>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    convert(const From *x, int64_t packs, To *out) {
    int64_t i = global_index();
    if (i >= packs) return;
    To converted;
    converted.set_all(x[i]);
    out[i] = converted;
}

void cuda_rows_convert(struct nn *nn, struct numbers x, int64_t count, struct numbers out) {
    bool widens = out.type == NUMBER_FLOAT32;
    if (count == 0) return;
    with_packs(widens ? x.type : out.type, count, {x.data, out.data}, [&](auto pack) {
        using Pack = decltype(pack);
        using Floats = float_pack<Pack>;
        int64_t packs = count / Pack::COUNT;
        unsigned blocks = blocks_for(packs, BLOCK_THREADS);
        if (widens)
            LAUNCH(nn, (convert<Pack, Floats>), blocks, BLOCK_THREADS, 0, x.as<Pack>(), packs,
                   out.as<Floats>());
        else
            LAUNCH(nn, (convert<Floats, Pack>), blocks, BLOCK_THREADS, 0, x.as<Floats>(), packs,
                   out.as<Pack>());
    });
}

struct numbers cuda_rows_as(struct nn *nn, enum number_type type, struct numbers x, int64_t count,
                            void **copy) {
    *copy = NULL;
    if (x.type == type || !x.data) return x;
    struct numbers converted = scratch_numbers(nn, type, count);
    cuda_rows_convert(nn, x, count, converted);
    *copy = converted.data;
    return converted;
}

template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    cut(const Pack *y, int64_t packs, Pack *grad) {
    int64_t i = global_index();
    if (i >= packs) return;
    Pack values = y[i];
    Pack passed = grad[i];
    for (int k = 0; k < Pack::COUNT; k++)
        if (!(values.get(k) > 0)) passed.set(k, 0);
    grad[i] = passed;
}

// grad += pull y for pull[n, c], and 0 where ReLU cut; channels in packs.
template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_OF_PASS)
    add_pull(const Pack *y, const float_pack<Pack> *pull, bool relu, int64_t n, int64_t rows,
             int64_t c, Pack *grad) {
    int64_t j = tile_channel();
    if (j >= c) return;
    for (int64_t image = blockIdx.z; image < n; image += gridDim.z) {
        float_pack<Pack> by = pull[image * c + j];
        for (int64_t row = tile_first_row(); row < rows; row += tile_row_step()) {
            int64_t at = (image * rows + row) * c + j;
            Pack values = y[at];
            Pack sum = grad[at];
            for (int k = 0; k < Pack::COUNT; k++) {
                float value = values.get(k);
                sum.set(k, relu && !(value > 0) ? 0 : sum.get(k) + by.get(k) * value);
            }
            grad[at] = sum;
        }
    }
}

static void run_add_pull(struct nn *nn, struct tensor *out, bool relu) {
    int64_t rows = out->h * out->w;
    with_packs(out->type, out->c, {out->data, out->grad, out->pull}, [&](auto pack) {
        using Pack = decltype(pack);
        struct tiles tiles = tiles_of_packs<Pack>(out->n, rows, out->c);
        LAUNCH(nn, (add_pull<Pack>), tiles.grid, tiles.block, 0, data_of(out).as<Pack>(),
               numbers(out->pull).as<float_pack<Pack>>(), relu, out->n, rows, out->c / Pack::COUNT,
               grad_of(out).as<Pack>());
    });
    nn_scratch_free(nn, out->pull);
    out->pull = NULL;
}

void cuda_rows_relu_gradient(struct nn *nn, struct tensor *out, bool relu) {
    int64_t count = tensor_count(out);
    if (out->pull) {
        run_add_pull(nn, out, relu);
        return;
    }
    if (!relu || count == 0) return;
    with_packs(out->type, count, {out->data, out->grad}, [&](auto pack) {
        using Pack = decltype(pack);
        int64_t packs = count / Pack::COUNT;
        LAUNCH(nn, (cut<Pack>), blocks_for(packs, BLOCK_THREADS), BLOCK_THREADS, 0,
               data_of(out).as<Pack>(), packs, grad_of(out).as<Pack>());
    });
}

void cuda_rows_residual_gradient(struct nn *nn, struct tensor *out, struct tensor *residual) {
    if (!residual || !residual->wants_grad || nn_failed(nn)) return;
    if (residual->grad) {
        cuda_rows_add(nn, grad_of(out), tensor_count(out), grad_of(residual));
        return;
    }
    CHECK(residual->type == out->type);
    residual->grad = out->grad; // handed over, as nn_move_grad does
    out->grad = NULL;
}

void cuda_rows_bias_gradient(struct nn *nn, struct numbers grad, int64_t rows, int64_t c,
                             const struct parameter *parameter) {
    struct operands o = {.nn = nn};
    float *target = operand_gradient(&o, parameter);
    if (target) cuda_columns_add(nn, grad, rows, c, target);
    operands_end(&o);
}
