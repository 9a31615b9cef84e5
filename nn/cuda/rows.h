// Passes over activations that several operations share, as nn/rows.h has them for the CPU. All
// pointers are in the device's reach. Where several arrays are given, they have one type.
#pragma once

#include "nn/cuda/numbers.h"

extern "C" {
#include "nn/norm.h"
}

// y = relu(norm(x scales) + residual). scales is [n, c], one factor for each channel of each image;
// it, norm and residual may be NULL.
struct rows_pass {
    const struct tensor *x;
    const float *scales;
    const struct frozen_norm *norm;
    const struct tensor *residual;
    bool relu;
    struct tensor *y;
};

void cuda_rows_apply(struct nn *nn, const struct rows_pass *pass);

// A frozen norm as its kernels read it: scale and shift of each channel, in scratch memory [2, c].
float *cuda_norm_factors(struct nn *nn, const struct frozen_norm *norm, int64_t c);

// out = x scales for n images of [rows, c], scales [n, c].
void cuda_rows_scale(struct nn *nn, struct numbers x, const float *scales, int64_t n, int64_t rows,
                     int64_t c, struct numbers out);

// out += x.
void cuda_rows_add(struct nn *nn, struct numbers x, int64_t count, struct numbers out);

// out = x, one of the two being float32.
void cuda_rows_convert(struct nn *nn, struct numbers x, int64_t count, struct numbers out);

// x, or where that is of another type, a copy in scratch memory, whose address is *copy, which is
// NULL otherwise.
struct numbers cuda_rows_as(struct nn *nn, enum number_type type, struct numbers x, int64_t count,
                            void **copy);

// What comes first in a backward pass: out->grad += what waits in out->pull; and with relu,
// out->grad = 0 where out->data is 0.
void cuda_rows_relu_gradient(struct nn *nn, struct tensor *out, bool relu);

// Passes out->grad on to the residual that was added (NULL is fine): it must not be used
// afterwards, for it may have been handed over.
void cuda_rows_residual_gradient(struct nn *nn, struct tensor *out, struct tensor *residual);

// A parameter's gradient += the sum of grad[rows, c] over its rows; nothing if the parameter is
// NULL or frozen.
void cuda_rows_bias_gradient(struct nn *nn, struct numbers grad, int64_t rows, int64_t c,
                             const struct parameter *parameter);
