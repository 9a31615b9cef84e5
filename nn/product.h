// Matrix products with prepared weights, y = x W^T + b, a fixed number of rows at a time, so that a
// row's result does not depend on how many other rows there are: what the last chunk lacks is
// computed from zeros, in scratch memory. Where the context computes in bf16, rows are rounded to
// that. Linear layers and transposed convolutions are built on it.
#pragma once

#include "nn/nn.h"
#include "nn/onednn.h"

struct product {
    struct nn *nn;
    const char *label;       // of the layer, for people
    struct dnn_linear shape; // rows: as many as are computed at a time
    struct dnn_primitive *primitive;
    float *scratch;
    void *rows;          // all rows of a chunk, as the primitive reads them; may be NULL
    const void *weights; // [out, in] in the layout of the primitive; set by the caller
    const float *bias;   // [out]; set by the caller
};

// Finds the primitive; false after a failure. shape's bf16 follows from the context.
bool product_begin(struct product *product, struct nn *nn, const char *label,
                   const struct dnn_linear *shape);

// Computes count (at most shape.rows) rows. dst has room for all shape.rows.
void product_run(struct product *product, const float *src, int64_t count, float *dst);

void product_end(struct product *product);
