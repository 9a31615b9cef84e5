// Matrix products of float32 matrices in plain order, for backward passes.
#pragma once

#include "nn/nn.h"
#include "nn/onednn.h"

// c = op(a) b + (accumulate ? c : 0); struct dnn_matmul has the shapes. label is the layer's, for
// people.
void matmul(struct nn *nn, const char *label, const struct dnn_matmul *shape, const float *a,
            const float *b, float *c);

// Rows of y = x W^T, backward. Their number changes from step to step, and with it the primitives
// that oneDNN has to compile: so rows are taken in pieces of a few sizes, and the last piece is
// filled up with zeros.
struct matmul_rows {
    struct nn *nn;
    const char *label;
    int64_t rows, in, out;
    const float *dy; // [rows, out]
};

// dw[out, in] = dy^T x + (add ? dw : 0), from x [rows, in].
void matmul_rows_weights(const struct matmul_rows *r, const float *x, bool add, float *dw);

// dx[rows, in] = dy W + (add ? dx : 0), from W [out, in].
void matmul_rows_input(const struct matmul_rows *r, const float *weights, bool add, float *dx);
