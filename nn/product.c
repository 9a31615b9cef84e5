#include "nn/product.h"

#include <string.h>

#include "base/check.h"
#include "nn/bf16.h"

bool product_begin(struct product *product, struct nn *nn, const char *label,
                   const struct dnn_linear *shape) {
    *product = (struct product){.nn = nn, .label = label, .shape = *shape};
    if (nn_failed(nn)) return false;
    product->shape.bf16 = nn->precision == NN_BF16;
    struct error err;
    if (dnn_linear(nn->onednn, &product->shape, &product->primitive, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s: %s", label, err.message);
        return false;
    }
    product->scratch = nn_scratch(nn, dnn_scratch_floats(product->primitive));
    if (product->shape.bf16) product->rows = bf16_scratch(nn, shape->rows * shape->in);
    return !nn_failed(nn);
}

// The rows as the primitive reads them, or NULL after a failure.
static const void *operand(struct product *product, const float *src, int64_t count) {
    const struct dnn_linear *shape = &product->shape;
    int64_t used = count * shape->in;
    int64_t missing = (shape->rows - count) * shape->in;
    if (shape->bf16) {
        uint16_t *rows = product->rows;
        bf16_of_many_rows(src, NULL, count, shape->in, rows);
        memset(rows + used, 0, (size_t)missing * sizeof *rows);
        return rows;
    }
    if (missing == 0) return src;
    if (!product->rows) product->rows = nn_scratch(product->nn, used + missing);
    float *rows = product->rows;
    if (!rows) return NULL;
    memcpy(rows, src, (size_t)used * sizeof *rows);
    memset(rows + used, 0, (size_t)missing * sizeof *rows);
    return rows;
}

void product_run(struct product *product, const float *src, int64_t count, float *dst) {
    struct nn *nn = product->nn;
    CHECK(count <= product->shape.rows);
    if (nn_failed(nn)) return;
    const void *rows = operand(product, src, count);
    if (!rows) return;
    const struct dnn_arguments arguments = {
        .src = rows,
        .weights = product->weights,
        .bias = product->bias,
        .dst = dst,
        .scratch = product->scratch,
    };
    struct error err;
    if (dnn_run(nn->onednn, product->primitive, &arguments, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", product->label, err.message);
}

void product_end(struct product *product) {
    nn_scratch_free(product->nn, product->rows);
    nn_scratch_free(product->nn, product->scratch);
    product->rows = NULL;
    product->scratch = NULL;
}
