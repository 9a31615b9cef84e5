#include "nn/cuda/dnn.h"

#include "nn/cuda/columns.h"
#include "nn/cuda/cublas/products.h"
#include "nn/cuda/cudnn/products.h"
#include "nn/cuda/dnn_choice.h"
#include "nn/cuda/implicit_gemm.h"
#include "nn/cuda/rows.h"

static int64_t in_floats(const struct dnn_shape *s) {
    return s->h * s->w * s->in;
}

static int64_t out_floats(const struct dnn_shape *s) {
    return s->out_h * s->out_w * s->out;
}

// ---- One block of images ----

static bool is_for_cublas(const struct nn *nn, enum dnn_product product,
                          const struct dnn_shape *shape, enum number_type type) {
    enum dnn_arithmetic arithmetic = nn->precision == NN_TF32 ? DNN_TF32 : DNN_FLOAT32;
    if (type != NUMBER_FLOAT32) arithmetic = DNN_16_BITS;
    return cuda_matmuls(nn) && dnn_prefers_cublas(product, arithmetic, shape);
}

static void forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                    struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y) {
    if (is_for_cublas(nn, DNN_PRODUCT, shape, x.type) &&
        cublas_forward(nn, shape, x, weights, epilogue, y))
        return;
    int64_t count = shape->n * out_floats(shape);
    bool widens = y.type != x.type; // the others write what they read
    struct numbers own = widens ? scratch_numbers(nn, x.type, count) : y;
    if (nn_failed(nn)) return;
    if (!cudnn_forward(nn, shape, x, weights, epilogue, own))
        implicit_gemm_forward(nn, shape, x, weights, epilogue, own);
    if (!widens) return;
    cuda_rows_convert(nn, own, count, y);
    nn_scratch_free(nn, own.data);
}

static void backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                          struct numbers weights, bool add, struct numbers dx) {
    if (is_for_cublas(nn, DNN_INPUT_GRADIENT, shape, dy.type) &&
        cublas_backward_data(nn, shape, dy, weights, add, dx))
        return;
    if (!cudnn_backward_data(nn, shape, dy, weights, add, dx))
        implicit_gemm_backward_data(nn, shape, dy, weights, add, dx);
}

// By others than cuBLAS; dweights is of their type.
static void backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                             struct numbers dy, struct numbers dweights) {
    if (!cudnn_backward_weights(nn, shape, x, dy, dweights))
        implicit_gemm_backward_weights(nn, shape, x, dy, dweights);
}

// ---- Blocks ----

static struct dnn_shape block_of(const struct dnn_shape *shape) {
    struct dnn_shape block = *shape;
    if (shape->at_once) block.n = shape->at_once;
    block.at_once = 0;
    return block;
}

// Calls run(first) for blocks of size images that cover all n, which are no fewer. Where the last
// one overlaps the one before, images are computed twice, with the same results.
template <class Run> static void for_blocks(int64_t n, int64_t size, Run run) {
    for (int64_t first = 0; first < n; first += size)
        run(first + size <= n ? first : n - size);
}

// Scratch memory [size, each] that begins with data [n, each] and goes on with zeros; NULL for
// NULL.
static struct numbers widened(struct nn *nn, struct numbers x, int64_t n, int64_t size,
                              int64_t each) {
    int64_t bytes = number_bytes(x.type);
    struct numbers wide = x.data ? scratch_numbers(nn, x.type, size * each) : x;
    if (!wide.data) return wide;
    cuda_copy(nn, wide.data, x.data, n * each * bytes);
    cuda_zero(nn, wide.at(n * each).data, (size - n) * each * bytes);
    return wide;
}

void dnn_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                 struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y) {
    struct dnn_shape block = block_of(shape);
    struct dnn_epilogue own = *epilogue;
    int64_t in = in_floats(shape);
    int64_t out = out_floats(shape);
    CHECK(!epilogue->squares || shape->at_once == 1);
    if (shape->n == 0) return;
    if (shape->n < block.n) {
        struct numbers wide_x = widened(nn, x, shape->n, block.n, in);
        struct numbers wide_y = scratch_numbers(nn, y.type, block.n * out);
        own.residual = widened(nn, epilogue->residual, shape->n, block.n, out);
        forward(nn, &block, wide_x, weights, &own, wide_y);
        cuda_copy(nn, y.data, wide_y.data, shape->n * out * number_bytes(y.type));
        nn_scratch_free(nn, own.residual.data);
        nn_scratch_free(nn, wide_y.data);
        nn_scratch_free(nn, wide_x.data);
        return;
    }
    for_blocks(shape->n, block.n, [&](int64_t first) {
        own.residual = epilogue->residual.at(first * out);
        if (own.squares) own.squares = epilogue->squares + first * shape->out;
        forward(nn, &block, x.at(first * in), weights, &own, y.at(first * out));
    });
}

void dnn_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                       struct numbers weights, bool add, struct numbers dx) {
    struct dnn_shape block = block_of(shape);
    int64_t in = in_floats(shape);
    int64_t out = out_floats(shape);
    int64_t count = shape->n * in;
    if (count == 0) return;
    bool fits = shape->n >= block.n;
    struct numbers wide_dy;
    struct numbers separate;
    if (!fits) wide_dy = widened(nn, dy, shape->n, block.n, out);
    if (dnn_data_separate(shape, add))
        separate = scratch_numbers(nn, dx.type, (fits ? shape->n : block.n) * in);
    struct numbers target = separate.data ? separate : dx;
    if (nn_failed(nn)) return;
    for_blocks(fits ? shape->n : block.n, block.n, [&](int64_t first) {
        backward_data(nn, &block, (fits ? dy : wide_dy).at(first * out), weights,
                      add && !separate.data, target.at(first * in));
    });
    if (add && separate.data)
        cuda_rows_add(nn, separate, count, dx);
    else if (separate.data)
        cuda_copy(nn, dx.data, separate.data, count * number_bytes(dx.type));
    nn_scratch_free(nn, separate.data);
    nn_scratch_free(nn, wide_dy.data);
}

bool dnn_sums_squares(const struct nn *nn) {
    return nn->tune || !cuda_plans(nn);
}

// ---- The gradient of the weights ----

// Calls run(x, dy) with the images behind the last whole block, if there are any, filled up with
// zeros to one.
template <class Run>
static void for_rest(struct nn *nn, const struct dnn_shape *shape, int64_t block, struct numbers x,
                     struct numbers dy, Run run) {
    int64_t rest = shape->n % block;
    int64_t first = shape->n - rest;
    if (rest == 0) return;
    int64_t in = in_floats(shape);
    int64_t out = out_floats(shape);
    struct numbers wide_x = widened(nn, x.at(first * in), rest, block, in);
    struct numbers wide_dy = widened(nn, dy.at(first * out), rest, block, out);
    if (!nn_failed(nn)) run(wide_x, wide_dy);
    nn_scratch_free(nn, wide_dy.data);
    nn_scratch_free(nn, wide_x.data);
}

// By cuBLAS: all whole blocks at once, as there are few such numbers of images, and then the rest.
// False if others are to compute it.
static bool sum_by_cublas(struct nn *nn, const struct dnn_shape *shape,
                          const struct dnn_shape *block, struct numbers x, struct numbers dy,
                          float *dweights) {
    struct dnn_shape whole = *block;
    whole.n = shape->n - shape->n % block->n;
    if (!is_for_cublas(nn, DNN_WEIGHTS_GRADIENT, shape, x.type)) return false;
    bool done = whole.n == 0 || cublas_backward_weights(nn, &whole, x, dy, false, dweights);
    if (!done) return false;
    for_rest(nn, shape, block->n, x, dy, [&](struct numbers rest_x, struct numbers rest_dy) {
        done = cublas_backward_weights(nn, block, rest_x, rest_dy, whole.n > 0, dweights);
    });
    return done;
}

// Sums of blocks of images are added up.
static void sum_of_blocks(struct nn *nn, const struct dnn_shape *shape,
                          const struct dnn_shape *block, struct numbers x, struct numbers dy,
                          float *dweights) {
    int64_t in = in_floats(shape);
    int64_t out = out_floats(shape);
    int64_t whole = shape->n / block->n;
    int64_t parts = whole + (shape->n % block->n > 0);
    int64_t count = shape->out * shape->kernel * shape->kernel * (shape->in / shape->groups);
    bool is_result = parts == 1 && x.type == NUMBER_FLOAT32;
    struct numbers sums = is_result ? dweights : scratch_numbers(nn, x.type, parts * count);
    if (nn_failed(nn)) return;
    for (int64_t i = 0; i < whole; i++)
        backward_weights(nn, block, x.at(i * block->n * in), dy.at(i * block->n * out),
                         sums.at(i * count));
    for_rest(nn, shape, block->n, x, dy, [&](struct numbers rest_x, struct numbers rest_dy) {
        backward_weights(nn, block, rest_x, rest_dy, sums.at(whole * count));
    });
    if (is_result) return;
    if (parts == 1)
        cuda_rows_convert(nn, sums, count, dweights);
    else
        cuda_columns_reduce(nn, COLUMNS_SUM, sums, NULL, 1, parts, count, dweights);
    nn_scratch_free(nn, sums.data);
}

void dnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                          struct numbers dy, float *dweights) {
    struct dnn_shape block = block_of(shape);
    if (shape->at_once <= 1) block.n = shape->n; // a sum over all images, whose number is settled
    if (shape->n == 0)
        cuda_zero(nn, dweights,
                  shape->out * shape->kernel * shape->kernel * (shape->in / shape->groups) *
                      (int64_t)sizeof *dweights);
    else if (!sum_by_cublas(nn, shape, &block, x, dy, dweights))
        sum_of_blocks(nn, shape, &block, x, dy, dweights);
}
