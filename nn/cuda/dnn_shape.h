// The extents of a convolution.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dnn_shape {
    int64_t n, h, w, in; // of the input
    int64_t out_h, out_w, out;
    int64_t groups, kernel, stride, padding;
    int64_t at_once; // images that are computed together; 0: all
};

// Whether it is a product of matrices, [n h w, in] x [in, out].
static inline bool dnn_is_matmul(const struct dnn_shape *s) {
    return s->kernel == 1 && s->stride == 1 && s->padding == 0 && s->groups == 1;
}

// Rows of a matrix that fill a large device: 32 maps of 14 x 14.
#ifndef DNN_ROWS_AT_ONCE
#define DNN_ROWS_AT_ONCE 6272
#endif

// How many maps of so many positions are computed together, of those that are many and small.
static inline int64_t dnn_regions_at_once(int64_t positions) {
    const int64_t least = 12; // a region costs as much as so many rows: its weights are read, too
    int64_t count = 1;
    if (positions < least) positions = least;
    while (count * 2 * positions <= DNN_ROWS_AT_ONCE)
        count *= 2;
    return count;
}

// Whether the gradient of the input arises in memory of its own, from which it is copied or added:
// blocks of several images may not be filled, and may overlap, where images would be added twice.
static inline bool dnn_data_separate(const struct dnn_shape *s, bool add) {
    return s->at_once > 1 && (add || s->n < s->at_once);
}

// One row of a matrix product: [rows, in] to [rows, out].
static inline struct dnn_shape dnn_product(int64_t rows, int64_t in, int64_t out) {
    struct dnn_shape shape = {rows, 1, 1, in, 1, 1, out, 1, 1, 1, 0, dnn_regions_at_once(1)};
    return shape;
}
