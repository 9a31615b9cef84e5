#include "nn/cuda/dnn.h"

#include "nn/cuda/columns.h"
#include "nn/cuda/cublas/products.h"
#include "nn/cuda/cudnn/products.h"
#include "nn/cuda/implicit_gemm.h"
#include "nn/cuda/rows.h"

// ---- One block of images ----

static void forward(struct nn *nn, const struct dnn_shape *shape, const float *x,
                    const float *weights, const struct dnn_epilogue *epilogue, float *y) {
    bool squares = epilogue->squares != NULL; // which cuBLAS does not sum up
    if (!squares && cublas_forward(nn, shape, x, weights, epilogue, y)) return;
    if (!cudnn_forward(nn, shape, x, weights, epilogue, y))
        implicit_gemm_forward(nn, shape, x, weights, epilogue, y);
}

static void backward_data(struct nn *nn, const struct dnn_shape *shape, const float *dy,
                          const float *weights, bool add, float *dx) {
    if (cublas_backward_data(nn, shape, dy, weights, add, dx)) return;
    if (!cudnn_backward_data(nn, shape, dy, weights, add, dx))
        implicit_gemm_backward_data(nn, shape, dy, weights, add, dx);
}

static void backward_weights(struct nn *nn, const struct dnn_shape *shape, const float *x,
                             const float *dy, float *dweights) {
    if (cublas_backward_weights(nn, shape, x, dy, dweights)) return;
    if (!cudnn_backward_weights(nn, shape, x, dy, dweights))
        implicit_gemm_backward_weights(nn, shape, x, dy, dweights);
}

// ---- Blocks ----

static int64_t in_floats(const struct dnn_shape *s) {
    return s->h * s->w * s->in;
}

static int64_t out_floats(const struct dnn_shape *s) {
    return s->out_h * s->out_w * s->out;
}

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

static const float *at(const float *data, int64_t offset) {
    return data ? data + offset : NULL;
}

// Scratch memory [size, each] that begins with data [n, each] and goes on with zeros; NULL for
// NULL.
static float *widened(struct nn *nn, const float *data, int64_t n, int64_t size, int64_t each) {
    const int64_t bytes = (int64_t)sizeof *data;
    float *wide = data ? nn_scratch(nn, size * each) : NULL;
    if (!wide) return NULL;
    cuda_copy(nn, wide, data, n * each * bytes);
    cuda_zero(nn, wide + n * each, (size - n) * each * bytes);
    return wide;
}

void dnn_forward(struct nn *nn, const struct dnn_shape *shape, const float *x, const float *weights,
                 const struct dnn_epilogue *epilogue, float *y) {
    struct dnn_shape block = block_of(shape);
    struct dnn_epilogue own = *epilogue;
    int64_t in = in_floats(shape);
    int64_t out = out_floats(shape);
    CHECK(!epilogue->squares || shape->at_once == 1);
    if (shape->n == 0) return;
    if (shape->n < block.n) {
        float *wide_x = widened(nn, x, shape->n, block.n, in);
        float *wide_residual = widened(nn, epilogue->residual, shape->n, block.n, out);
        float *wide_y = nn_scratch(nn, block.n * out);
        own.residual = wide_residual;
        forward(nn, &block, wide_x, weights, &own, wide_y);
        cuda_copy(nn, y, wide_y, shape->n * out * (int64_t)sizeof *y);
        nn_scratch_free(nn, wide_y);
        nn_scratch_free(nn, wide_residual);
        nn_scratch_free(nn, wide_x);
        return;
    }
    for_blocks(shape->n, block.n, [&](int64_t first) {
        own.residual = at(epilogue->residual, first * out);
        if (own.squares) own.squares = epilogue->squares + first * shape->out;
        forward(nn, &block, x + first * in, weights, &own, y + first * out);
    });
}

void dnn_backward_data(struct nn *nn, const struct dnn_shape *shape, const float *dy,
                       const float *weights, bool add, float *dx) {
    struct dnn_shape block = block_of(shape);
    int64_t in = in_floats(shape);
    int64_t out = out_floats(shape);
    int64_t count = shape->n * in;
    if (count == 0) return;
    bool fits = shape->n >= block.n;
    float *wide_dy = fits ? NULL : widened(nn, dy, shape->n, block.n, out);
    float *separate =
        dnn_data_separate(shape, add) ? nn_scratch(nn, (fits ? shape->n : block.n) * in) : NULL;
    float *target = separate ? separate : dx;
    if (nn_failed(nn)) return;
    for_blocks(fits ? shape->n : block.n, block.n, [&](int64_t first) {
        backward_data(nn, &block, (fits ? dy : wide_dy) + first * out, weights, add && !separate,
                      target + first * in);
    });
    if (add && separate)
        cuda_rows_add(nn, separate, count, dx);
    else if (separate)
        cuda_copy(nn, dx, separate, count * (int64_t)sizeof *dx);
    nn_scratch_free(nn, separate);
    nn_scratch_free(nn, wide_dy);
}

// Sums of blocks of images are added up. The rest of the last block is zeros.
static void sum_of_blocks(struct nn *nn, const struct dnn_shape *shape,
                          const struct dnn_shape *block, const float *x, const float *dy,
                          float *dweights) {
    int64_t in = in_floats(shape);
    int64_t out = out_floats(shape);
    int64_t whole = shape->n / block->n;
    int64_t rest = shape->n % block->n;
    int64_t parts = whole + (rest > 0);
    int64_t count = shape->out * shape->kernel * shape->kernel * (shape->in / shape->groups);
    float *sums = parts > 1 ? nn_scratch(nn, parts * count) : dweights;
    if (nn_failed(nn)) return;
    for (int64_t i = 0; i < whole; i++)
        backward_weights(nn, block, x + i * block->n * in, dy + i * block->n * out,
                         sums + i * count);
    if (rest) {
        float *wide_x = widened(nn, x + whole * block->n * in, rest, block->n, in);
        float *wide_dy = widened(nn, dy + whole * block->n * out, rest, block->n, out);
        if (!nn_failed(nn)) backward_weights(nn, block, wide_x, wide_dy, sums + whole * count);
        nn_scratch_free(nn, wide_dy);
        nn_scratch_free(nn, wide_x);
    }
    if (parts == 1) return;
    cuda_columns_reduce(nn, COLUMNS_SUM, sums, NULL, 1, parts, count, dweights);
    nn_scratch_free(nn, sums);
}

void dnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, const float *x,
                          const float *dy, float *dweights) {
    struct dnn_shape block = block_of(shape);
    if (shape->at_once <= 1) block.n = shape->n; // a sum over all images, whose number is settled
    if (shape->n == 0)
        implicit_gemm_backward_weights(nn, shape, x, dy, dweights); // zeros
    else
        sum_of_blocks(nn, shape, &block, x, dy, dweights);
}
