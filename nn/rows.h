// Passes over activations that several operations share: each position's channels are scaled,
// shifted, added to or cut.
#pragma once

#include "nn/nn.h"
#include "nn/norm.h"

enum {
    ROWS_PARTS = 64,                // pieces that a pass is cut into, for threads
    ROWS_WORTH_A_THREAD = 16 * 1024 // floats: less is done by one
};

// Into how many pieces one image of n is cut: enough for all threads, whatever their number.
static inline int64_t rows_parts_of_image(int64_t n) {
    return n >= ROWS_PARTS ? 1 : ROWS_PARTS;
}

// y = relu(norm(x scales) + residual). scales is [n, c], one factor for each channel of each image;
// it, norm and residual may be NULL. y is of x's shape and may be x.
struct rows_pass {
    const struct tensor *x;
    const float *scales;
    const struct frozen_norm *norm;
    const struct tensor *residual;
    bool relu;
    struct tensor *y;
    float *shifts, *factors; // of rows_pass_begin
};

void rows_apply(struct nn *nn, struct rows_pass *pass);

// The same piece by piece, for those who do more with an image while it is in a thread's cache.
// Begin gives false after a failure; an image's factors are made once its scales are known, then
// count rows from begin on are computed.
bool rows_pass_begin(struct nn *nn, struct rows_pass *pass);
void rows_pass_factors(const struct rows_pass *pass, int64_t image);
void rows_pass_apply(const struct rows_pass *pass, int64_t image, int64_t begin, int64_t count);
void rows_pass_end(struct nn *nn, struct rows_pass *pass);

// out = (add ? out : 0) + x scales, for [rows, c] and scales [c]; one thread.
void rows_scale(const float *x, const float *scales, int64_t rows, int64_t c, bool add, float *out);

// out = x scales for n images of [rows, c], scales [n, c].
void rows_scale_images(const float *x, const float *scales, int64_t n, int64_t rows, int64_t c,
                       float *out);

// out += x.
void rows_add(const float *x, int64_t count, float *out);

// With relu: out->grad = 0 where out->data is 0. Without, nothing.
void rows_relu_gradient(struct tensor *out, bool relu);

// target = grad times the norm's scale.
void rows_norm_gradient(const float *grad, const struct frozen_norm *norm, int64_t rows, int64_t c,
                        float *target);

// Passes out->grad on to the residual that was added (NULL is fine): it must not be used
// afterwards, for it may have been handed over.
void rows_residual_gradient(struct nn *nn, struct tensor *out, struct tensor *residual);

// parameter->grad += the sum of grad over its positions; nothing if the parameter is NULL or
// frozen.
void rows_bias_gradient(struct nn *nn, const struct tensor *out, struct parameter *parameter);
