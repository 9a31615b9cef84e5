#include "nn/cuda/dnn_cost.h"

#include "nn/cuda/dnn_choice.h"
#include "nn/cuda/tile_sizes.h"

// Values of one image, of those that are read of it, and of the weights.
struct sizes {
    double in, read, out, weights;
    double operations;
};

// Positions of an axis that a convolution reads.
static int64_t reach(const struct dnn_shape *s, int64_t size, int64_t out) {
    if (s->kernel < s->stride) return out * s->kernel; // with gaps, and without padding
    int64_t end = (out - 1) * s->stride - s->padding + s->kernel;
    return end < size ? end : size;
}

static struct sizes sizes_of(const struct dnn_shape *s) {
    int64_t weights = s->out * s->kernel * s->kernel * (s->in / s->groups);
    double positions = (double)(s->out_h * s->out_w);
    return (struct sizes){
        .in = (double)(s->h * s->w * s->in),
        .read = (double)(reach(s, s->h, s->out_h) * reach(s, s->w, s->out_w) * s->in),
        .out = positions * (double)s->out,
        .weights = (double)weights,
        .operations = 2 * positions * (double)weights,
    };
}

static int64_t block_of(const struct dnn_shape *s) {
    return s->at_once ? s->at_once : s->n;
}

// Whether cuBLAS computes it; in TF32 like in float32.
static bool is_by_cublas(const struct cost_sheet *sheet, enum dnn_product product,
                         const struct dnn_shape *s) {
    enum dnn_arithmetic arithmetic = sheet->type == NUMBER_FLOAT32 ? DNN_FLOAT32 : DNN_16_BITS;
    return !sheet->own_products && dnn_prefers_cublas(product, arithmetic, s);
}

// What so many numbers of a result are, in values.
static double result_values(const struct cost_sheet *sheet, enum number_type result, double count) {
    return result == NUMBER_FLOAT32 ? count : cost_numbers(sheet, count);
}

// Fewer images than a block are copied to one that begins with them, and back.
static void widen(struct cost_sheet *sheet, const struct dnn_shape *s, double values) {
    double count = (double)(s->n + block_of(s)) * values;
    cost_pass(sheet, "block filled", cost_numbers(sheet, count), 0);
}

static void narrow(struct cost_sheet *sheet, const struct dnn_shape *s, double values,
                   enum number_type result) {
    cost_pass(sheet, "block emptied", result_values(sheet, result, 2 * (double)s->n * values), 0);
}

static int64_t num_blocks(const struct dnn_shape *s) {
    return (s->n + block_of(s) - 1) / block_of(s);
}

void cost_dnn_forward(struct cost_sheet *sheet, const struct dnn_shape *s, bool has_residual,
                      enum number_type result) {
    if (s->n == 0) return;
    struct sizes sizes = sizes_of(s);
    double images = (double)block_of(s);
    bool is_direct = is_by_cublas(sheet, DNN_PRODUCT, s);
    double reads = images * (sizes.read + (has_residual ? sizes.out : 0)) + sizes.weights;
    double writes = result_values(sheet, is_direct ? result : sheet->type, images * sizes.out);
    if (s->n < block_of(s)) {
        widen(sheet, s, sizes.in);
        if (has_residual) widen(sheet, s, sizes.out);
        narrow(sheet, s, sizes.out, result);
    }
    for (int64_t i = 0; i < num_blocks(s); i++) {
        cost_product(sheet, "product", cost_numbers(sheet, reads) + writes,
                     images * sizes.operations);
        if (!is_direct) cost_converted(sheet, "result widened", result, images * sizes.out);
    }
}

bool cost_dnn_sums_squares(const struct cost_sheet *sheet) {
    return sheet->own_products || sheet->tuned;
}

// Rows of a product that a compiled kernel of cuDNN's adds up before it writes a sum to its
// workspace.
enum { COMPILED_ROWS = 128 };

// What was written is read again, but by kernels that are compiled to sum up, too. Without tensor
// cores cuDNN has none.
void cost_dnn_squares(struct cost_sheet *sheet, const struct dnn_shape *s) {
    int64_t positions = s->out_h * s->out_w;
    const struct cost_columns pass = {cost_numbers(sheet, 1), 1, positions, s->out};
    const struct cost_columns parts = {1, 1, (positions + TILE_OF_PRODUCT - 1) / TILE_OF_PRODUCT,
                                       s->out};
    double squares = 2 * (double)(positions * s->out);
    int64_t compiled = (positions + COMPILED_ROWS - 1) / COMPILED_ROWS * s->out;
    if (sheet->own_products) {
        cost_gate_pass(sheet, "squares in products", (double)(parts.rows * s->out), squares);
        cost_gate_columns_reduce(sheet, "gates' sums", &parts);
        return;
    }
    const double compiled_values = (double)(2 * compiled);
    if (sheet->type != NUMBER_FLOAT32) {
        cost_gate_pass(sheet, "gates' sums in products", compiled_values, squares);
        return;
    }
    sheet->scope = COST_FLOAT32;
    cost_gate_columns_reduce(sheet, "gates' sums", &pass);
    sheet->scope = COST_TF32;
    cost_gate_pass(sheet, "gates' sums in products", compiled_values, squares);
    sheet->scope = COST_ALL;
}

void cost_dnn_backward_data(struct cost_sheet *sheet, const struct dnn_shape *s, bool adds) {
    if (s->n == 0) return;
    struct sizes sizes = sizes_of(s);
    double images = (double)block_of(s);
    bool separate = dnn_data_separate(s, adds);
    double reads = adds && !separate ? 1 : 0; // what is there
    double values = images * (sizes.out + (1 + reads) * sizes.in) + sizes.weights;
    double count = (double)s->n * sizes.in;
    if (s->n < block_of(s)) widen(sheet, s, sizes.out);
    for (int64_t i = 0; i < num_blocks(s); i++)
        cost_product(sheet, "input's gradient", cost_numbers(sheet, values),
                     images * sizes.operations);
    if (adds && separate)
        cost_pass(sheet, "input's gradient added", cost_numbers(sheet, 3 * count), count);
    else if (separate)
        narrow(sheet, s, sizes.in, sheet->type);
}

// Of some images, added to what is there or not.
static void sum_by_cublas(struct cost_sheet *sheet, const struct sizes *sizes, int64_t images,
                          bool adds) {
    double n = (double)images;
    if (n > 0)
        cost_product(sheet, "weights' gradient",
                     cost_numbers(sheet, n * (sizes->read + sizes->out)) +
                         (adds ? 2 : 1) * sizes->weights,
                     n * sizes->operations);
}

void cost_dnn_backward_weights(struct cost_sheet *sheet, const struct dnn_shape *s) {
    if (s->n == 0) return;
    struct dnn_shape blocks = *s;
    if (s->at_once <= 1) blocks.at_once = 0; // a sum over all images
    struct sizes sizes = sizes_of(s);
    double images = (double)block_of(&blocks);
    double values = images * (sizes.read + sizes.out) + sizes.weights;
    struct dnn_shape rest = blocks;
    rest.n = s->n % block_of(&blocks);
    if (rest.n > 0) {
        widen(sheet, &rest, sizes.in);
        widen(sheet, &rest, sizes.out);
    }
    if (is_by_cublas(sheet, DNN_WEIGHTS_GRADIENT, s)) {
        sum_by_cublas(sheet, &sizes, s->n - rest.n, false);
        sum_by_cublas(sheet, &sizes, rest.n > 0 ? block_of(&blocks) : 0, s->n > rest.n);
        return;
    }
    for (int64_t i = 0; i < num_blocks(&blocks); i++)
        cost_product(sheet, "weights' gradient", cost_numbers(sheet, values),
                     images * sizes.operations);
    if (num_blocks(&blocks) == 1) {
        cost_converted(sheet, "weights' gradient widened", NUMBER_FLOAT32, sizes.weights);
        return;
    }
    const struct cost_columns sums = {cost_numbers(sheet, 1), 1, num_blocks(&blocks),
                                      (int64_t)sizes.weights};
    cost_columns_reduce(sheet, "blocks' gradients added", &sums);
}

// ---- Layers of one product ----

void cost_dnn_pack(struct cost_sheet *sheet, const char *pass, const struct parameter *weight) {
    double count = (double)weight->count;
    cost_pass(sheet, pass, count + cost_numbers(sheet, count), 0);
}

void cost_dnn_backward(struct cost_sheet *sheet, const struct dnn_shape *shape, const char *pass,
                       const struct parameter *weight, const struct tensor *input) {
    double count = (double)weight->count;
    if (weight->grad) {
        cost_dnn_backward_weights(sheet, shape);
        cost_pass(sheet, "weights' gradient added", 3 * count, count);
    }
    if (!input->wants_grad) return;
    cost_dnn_pack(sheet, pass, weight);
    cost_dnn_backward_data(sheet, shape, cost_adds(input) > 0);
}
