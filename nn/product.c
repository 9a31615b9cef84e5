#include "nn/product.h"

#include <string.h>

#include "base/check.h"

bool product_begin(struct product *product, struct nn *nn, const char *label,
                   const struct dnn_linear *shape) {
    *product = (struct product){.nn = nn, .label = label, .shape = *shape};
    if (nn_failed(nn)) return false;
    struct error err;
    if (dnn_linear(nn->onednn, shape, &product->primitive, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s: %s", label, err.message);
        return false;
    }
    product->scratch = nn_scratch(nn, dnn_scratch_floats(product->primitive));
    return product->scratch != NULL;
}

void product_run(const struct product *product, const float *src, int64_t count, float *dst) {
    struct nn *nn = product->nn;
    const struct dnn_linear *shape = &product->shape;
    CHECK(count <= shape->rows);
    if (nn_failed(nn)) return;
    float *padded = NULL;
    if (count < shape->rows) {
        padded = nn_scratch(nn, shape->rows * shape->in);
        if (!padded) return;
        memcpy(padded, src, (size_t)(count * shape->in) * sizeof *padded);
        memset(padded + count * shape->in, 0,
               (size_t)((shape->rows - count) * shape->in) * sizeof *padded);
    }
    struct dnn_arguments arguments = {
        .src = padded ? padded : src,
        .weights = product->weights,
        .bias = product->bias,
        .dst = dst,
        .scratch = product->scratch,
    };
    struct error err;
    if (dnn_run(nn->onednn, product->primitive, &arguments, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", product->label, err.message);
    nn_scratch_free(nn, padded);
}

void product_end(struct product *product) {
    nn_scratch_free(product->nn, product->scratch);
    product->scratch = NULL;
}
