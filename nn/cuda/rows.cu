#include "nn/cuda/rows.h"

#include "nn/cuda/columns.h"
#include "nn/cuda/tiles.h"

// ---- y = relu(norm(x scales) + residual) ----

template <class Number> struct apply {
    const Number *x;
    const float *scales, *norm;
    const Number *residual;
    bool relu;
    int64_t n, rows, c;
    Number *y;
};

enum { BLOCKS_OF_PASS = 4 }; // on a processor: for more, those of bf16 would spill registers

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_OF_PASS)
    apply_pass(struct apply<Number> a) {
    int64_t j = tile_channel();
    if (j >= a.c) return;
    for (int64_t image = blockIdx.z; image < a.n; image += gridDim.z) {
        float scale = a.scales ? a.scales[image * a.c + j] : 1;
        float shift = -0.0f; // keeps a -0
        if (a.norm) {
            scale *= a.norm[j];
            shift = a.norm[a.c + j];
        }
        for (int64_t row = tile_first_row(); row < a.rows; row += tile_row_step()) {
            int64_t at = (image * a.rows + row) * a.c + j;
            float value = loaded(a.x[at]) * scale + shift;
            if (a.residual) value += loaded(a.residual[at]);
            a.y[at] = rounded<Number>(a.relu && value < 0 ? 0 : value); // a NaN stays one
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

void cuda_rows_apply(struct nn *nn, const struct rows_pass *pass) {
    const struct tensor *x = pass->x;
    if (tensor_count(x) == 0) return;
    float *norm = pass->norm ? cuda_norm_factors(nn, pass->norm, x->c) : NULL;
    struct tiles tiles = tiles_of(x->n, x->h * x->w, x->c, TILE_ROWS_EACH);
    with_type(x->type, [&](auto number) {
        using Number = decltype(number);
        struct apply<Number> a = {
            data_of(x).as<Number>(), pass->scales, norm,
                data_of(pass->residual).as<Number>(), pass->relu, x->n, x->h * x->w, x->c,
                data_of(pass->y).as<Number>()
        };
        LAUNCH(nn, (apply_pass<Number>), tiles.grid, tiles.block, 0, a);
    });
    nn_scratch_free(nn, norm);
}

void cuda_rows_scale(struct nn *nn, struct numbers x, const float *scales, int64_t n, int64_t rows,
                     int64_t c, struct numbers out) {
    if (n * rows * c == 0) return;
    struct tiles tiles = tiles_of(n, rows, c, TILE_ROWS_EACH);
    with_type(x.type, [&](auto number) {
        using Number = decltype(number);
        struct apply<Number> a = {
            x.as<Number>(), scales, NULL, NULL, false, n, rows, c, out.as<Number>()
        };
        LAUNCH(nn, (apply_pass<Number>), tiles.grid, tiles.block, 0, a);
    });
}

// ---- Element by element ----

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_all(const Number *x, int64_t count, Number *out) {
    int64_t i = global_index();
    if (i < count) out[i] = rounded<Number>(loaded(out[i]) + loaded(x[i]));
}

void cuda_rows_add(struct nn *nn, struct numbers x, int64_t count, struct numbers out) {
    if (count == 0) return;
    with_type(x.type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (add_all<Number>), blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const Number *)x.as<Number>(), count, out.as<Number>());
    });
}

template <class From, class To>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    convert(const From *x, int64_t count, To *out) {
    int64_t i = global_index();
    if (i < count) out[i] = rounded<To>(loaded(x[i]));
}

void cuda_rows_convert(struct nn *nn, struct numbers x, int64_t count, struct numbers out) {
    bool widens = out.type == NUMBER_FLOAT32;
    if (count == 0) return;
    with_type(widens ? x.type : out.type, [&](auto number) {
        using Number = decltype(number);
        unsigned blocks = blocks_for(count, BLOCK_THREADS);
        if (widens)
            LAUNCH(nn, (convert<Number, float>), blocks, BLOCK_THREADS, 0,
                   (const Number *)x.as<Number>(), count, out.as<float>());
        else
            LAUNCH(nn, (convert<float, Number>), blocks, BLOCK_THREADS, 0,
                   (const float *)x.as<float>(), count, out.as<Number>());
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

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    cut(const Number *y, int64_t count, Number *grad) {
    int64_t i = global_index();
    if (i < count && !(loaded(y[i]) > 0)) grad[i] = rounded<Number>(0);
}

// grad += pull y for pull[n, c], and 0 where ReLU cut.
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_OF_PASS)
    add_pull(const Number *y, const float *pull, bool relu, int64_t n, int64_t rows, int64_t c,
             Number *grad) {
    int64_t j = tile_channel();
    if (j >= c) return;
    for (int64_t image = blockIdx.z; image < n; image += gridDim.z) {
        float by = pull[image * c + j];
        for (int64_t row = tile_first_row(); row < rows; row += tile_row_step()) {
            int64_t at = (image * rows + row) * c + j;
            float value = loaded(y[at]);
            float sum = relu && !(value > 0) ? 0 : loaded(grad[at]) + by * value;
            grad[at] = rounded<Number>(sum);
        }
    }
}

static void run_add_pull(struct nn *nn, struct tensor *out, bool relu) {
    int64_t rows = out->h * out->w;
    struct tiles tiles = tiles_of(out->n, rows, out->c, TILE_ROWS_EACH);
    with_type(out->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (add_pull<Number>), tiles.grid, tiles.block, 0,
               (const Number *)data_of(out).as<Number>(), (const float *)out->pull, relu, out->n,
               rows, out->c, grad_of(out).as<Number>());
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
    with_type(out->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (cut<Number>), blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const Number *)data_of(out).as<Number>(), count, grad_of(out).as<Number>());
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
