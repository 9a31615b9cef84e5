#include "nn/rows.h"

#include "nn/columns.h"
#include "nn/vectorised.h"

// The part-th of ROWS_PARTS pieces of count.
static int64_t piece(int64_t count, int64_t part) {
    return count * part / ROWS_PARTS;
}

VECTORISED static void apply(const float *x, const float *scales, const float *shifts,
                             const float *residual, float floor, int64_t rows, int64_t c,
                             float *y) {
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t j = 0; j < c; j++) {
            int64_t at = row * c + j;
            float value = x[at] * scales[j] + shifts[j];
            if (residual) value += residual[at];
            y[at] = value < floor ? floor : value; // a NaN stays one
        }
    }
}

// What multiplies each channel of one image: the gate's factor and the norm's.
static void make_factors(const float *scales, const struct frozen_norm *norm, int64_t c,
                         float *factors) {
    for (int64_t j = 0; j < c; j++) {
        float scale = scales ? scales[j] : 1;
        factors[j] = norm ? scale * frozen_norm_scale(norm, j) : scale;
    }
}

bool rows_pass_begin(struct nn *nn, struct rows_pass *pass) {
    int64_t c = pass->x->c;
    pass->shifts = nn_scratch(nn, c);
    pass->factors = nn_scratch(nn, pass->x->n * c);
    if (nn_failed(nn)) return false;
    for (int64_t j = 0; j < c; j++)
        pass->shifts[j] = pass->norm ? frozen_norm_shift(pass->norm, j) : -0.0f; // keeps a -0
    return true;
}

void rows_pass_factors(const struct rows_pass *pass, int64_t image) {
    int64_t c = pass->x->c;
    make_factors(pass->scales ? pass->scales + image * c : NULL, pass->norm, c,
                 pass->factors + image * c);
}

void rows_pass_apply(const struct rows_pass *pass, int64_t image, int64_t begin, int64_t count) {
    int64_t c = pass->x->c;
    int64_t at = (image * pass->x->h * pass->x->w + begin) * c;
    apply(pass->x->data + at, pass->factors + image * c, pass->shifts,
          pass->residual ? pass->residual->data + at : NULL, pass->relu ? 0 : -INFINITY, count, c,
          pass->y->data + at);
}

void rows_pass_end(struct nn *nn, struct rows_pass *pass) {
    nn_scratch_free(nn, pass->factors);
    nn_scratch_free(nn, pass->shifts);
}

void rows_apply(struct nn *nn, struct rows_pass *pass) {
    const struct tensor *x = pass->x;
    int64_t rows = x->h * x->w;
    int64_t parts = rows_parts_of_image(x->n);
    if (!rows_pass_begin(nn, pass)) return;
    for (int64_t i = 0; i < x->n; i++)
        rows_pass_factors(pass, i);
#pragma omp parallel for schedule(static) if (x->n * rows * x->c > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < x->n * parts; i++) {
        int64_t begin = rows * (i % parts) / parts;
        int64_t end = rows * (i % parts + 1) / parts;
        rows_pass_apply(pass, i / parts, begin, end - begin);
    }
    rows_pass_end(nn, pass);
}

VECTORISED static void scale(const float *x, const float *scales, int64_t rows, int64_t c,
                             float *out) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t j = 0; j < c; j++)
            out[row * c + j] = x[row * c + j] * scales[j];
}

VECTORISED static void scale_add(const float *x, const float *scales, int64_t rows, int64_t c,
                                 float *out) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t j = 0; j < c; j++)
            out[row * c + j] += x[row * c + j] * scales[j];
}

void rows_scale(const float *x, const float *scales, int64_t rows, int64_t c, bool add,
                float *out) {
    if (add)
        scale_add(x, scales, rows, c, out);
    else
        scale(x, scales, rows, c, out);
}

void rows_scale_images(const float *x, const float *scales, int64_t n, int64_t rows, int64_t c,
                       float *out) {
    int64_t parts = rows_parts_of_image(n);
#pragma omp parallel for schedule(static) if (n * rows * c > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < n * parts; i++) {
        int64_t image = i / parts;
        int64_t begin = rows * (i % parts) / parts;
        int64_t count = rows * (i % parts + 1) / parts - begin;
        int64_t at = (image * rows + begin) * c;
        scale(x + at, scales + image * c, count, c, out + at);
    }
}

VECTORISED static void add(const float *x, int64_t count, float *out) {
    for (int64_t i = 0; i < count; i++)
        out[i] += x[i];
}

void rows_add(const float *x, int64_t count, float *out) {
#pragma omp parallel for schedule(static) if (count > ROWS_WORTH_A_THREAD)
    for (int64_t part = 0; part < ROWS_PARTS; part++) {
        int64_t begin = piece(count, part);
        add(x + begin, piece(count, part + 1) - begin, out + begin);
    }
}

VECTORISED static void cut(const float *y, int64_t count, float *grad) {
    for (int64_t i = 0; i < count; i++)
        grad[i] = y[i] > 0 ? grad[i] : 0;
}

void rows_relu_gradient(struct tensor *out, bool relu) {
    if (!relu) return;
    int64_t count = tensor_count(out);
#pragma omp parallel for schedule(static) if (count > ROWS_WORTH_A_THREAD)
    for (int64_t part = 0; part < ROWS_PARTS; part++) {
        int64_t begin = piece(count, part);
        cut(out->data + begin, piece(count, part + 1) - begin, out->grad + begin);
    }
}

VECTORISED static void norm_scale(const float *grad, const float *weights, const float *variances,
                                  float epsilon, int64_t rows, int64_t c, float *target) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t j = 0; j < c; j++)
            target[row * c + j] = grad[row * c + j] * (weights[j] / sqrtf(variances[j] + epsilon));
}

void rows_norm_gradient(const float *grad, const struct frozen_norm *norm, int64_t rows, int64_t c,
                        float *target) {
#pragma omp parallel for schedule(static) if (rows * c > ROWS_WORTH_A_THREAD)
    for (int64_t part = 0; part < ROWS_PARTS; part++) {
        int64_t begin = piece(rows, part);
        int64_t count = piece(rows, part + 1) - begin;
        norm_scale(grad + begin * c, norm->weight->data, norm->variance->data, norm->epsilon, count,
                   c, target + begin * c);
    }
}

void rows_residual_gradient(struct nn *nn, struct tensor *out, struct tensor *residual) {
    if (!residual || !residual->wants_grad || nn_failed(nn)) return;
    if (residual->grad)
        rows_add(out->grad, tensor_count(out), residual->grad);
    else
        nn_move_grad(out, residual);
}

void rows_bias_gradient(struct nn *nn, const struct tensor *out, struct parameter *parameter) {
    if (!parameter || !parameter->grad) return;
    float *sums = nn_scratch(nn, out->c);
    if (!sums) return;
    columns_reduce(nn, COLUMNS_SUM, out->grad, NULL, 1, tensor_rows(out), out->c, sums);
    add(sums, out->c, parameter->grad);
    nn_scratch_free(nn, sums);
}
