#include "nn/cuda/rows.h"

#include "nn/cuda/columns.h"
#include "nn/cuda/tiles.h"

// ---- y = relu(norm(x scales) + residual) ----

struct apply {
    const float *x, *scales, *norm, *residual;
    bool relu;
    int64_t n, rows, c;
    float *y;
};

static __global__ void __launch_bounds__(BLOCK_THREADS) apply_pass(struct apply a) {
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
            float value = a.x[at] * scale + shift;
            if (a.residual) value += a.residual[at];
            a.y[at] = a.relu && value < 0 ? 0 : value; // a NaN stays one
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
    struct apply a = {
        x->data,      pass->scales, norm,        pass->residual ? pass->residual->data : NULL,
        pass->relu,   x->n,         x->h * x->w, x->c,
        pass->y->data};
    struct tiles tiles = tiles_of(a.n, a.rows, a.c, TILE_ROWS_EACH);
    LAUNCH(nn, apply_pass, tiles.grid, tiles.block, 0, a);
    nn_scratch_free(nn, norm);
}

void cuda_rows_scale(struct nn *nn, const float *x, const float *scales, int64_t n, int64_t rows,
                     int64_t c, float *out) {
    if (n * rows * c == 0) return;
    struct apply a = {x, scales, NULL, NULL, false, n, rows, c, out};
    struct tiles tiles = tiles_of(n, rows, c, TILE_ROWS_EACH);
    LAUNCH(nn, apply_pass, tiles.grid, tiles.block, 0, a);
}

// ---- Element by element ----

static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_all(const float *x, int64_t count, float *out) {
    int64_t i = global_index();
    if (i < count) out[i] += x[i];
}

void cuda_rows_add(struct nn *nn, const float *x, int64_t count, float *out) {
    if (count)
        LAUNCH(nn, add_all, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, x, count, out);
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    cut(const float *y, int64_t count, float *grad) {
    int64_t i = global_index();
    if (i < count && !(y[i] > 0)) grad[i] = 0;
}

// grad += pull y for pull[n, c], and 0 where ReLU cut.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_pull(const float *y, const float *pull, bool relu, int64_t n, int64_t rows, int64_t c,
             float *grad) {
    int64_t j = tile_channel();
    if (j >= c) return;
    for (int64_t image = blockIdx.z; image < n; image += gridDim.z) {
        float by = pull[image * c + j];
        for (int64_t row = tile_first_row(); row < rows; row += tile_row_step()) {
            int64_t at = (image * rows + row) * c + j;
            grad[at] = relu && !(y[at] > 0) ? 0 : grad[at] + by * y[at];
        }
    }
}

static void run_add_pull(struct nn *nn, struct tensor *out, bool relu) {
    int64_t rows = out->h * out->w;
    struct tiles tiles = tiles_of(out->n, rows, out->c, TILE_ROWS_EACH);
    LAUNCH(nn, add_pull, tiles.grid, tiles.block, 0, (const float *)out->data,
           (const float *)out->pull, relu, out->n, rows, out->c, out->grad);
    nn_scratch_free(nn, out->pull);
    out->pull = NULL;
}

void cuda_rows_relu_gradient(struct nn *nn, struct tensor *out, bool relu) {
    int64_t count = tensor_count(out);
    if (out->pull)
        run_add_pull(nn, out, relu);
    else if (relu && count)
        LAUNCH(nn, cut, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const float *)out->data, count, out->grad);
}

void cuda_rows_residual_gradient(struct nn *nn, struct tensor *out, struct tensor *residual) {
    if (!residual || !residual->wants_grad || nn_failed(nn)) return;
    if (residual->grad) {
        cuda_rows_add(nn, out->grad, tensor_count(out), residual->grad);
        return;
    }
    residual->grad = out->grad; // handed over, as nn_move_grad does
    out->grad = NULL;
}

void cuda_rows_bias_gradient(struct nn *nn, const float *grad, int64_t rows, int64_t c,
                             const struct parameter *parameter) {
    struct operands o = {.nn = nn};
    float *target = operand_gradient(&o, parameter);
    if (target) cuda_columns_add(nn, grad, rows, c, target);
    operands_end(&o);
}
