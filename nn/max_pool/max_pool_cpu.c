#include <math.h>
#include <string.h>

#include "nn/device.h"
#include "nn/max_pool/max_pool.h"
#include "nn/rows.h"
#include "nn/vectorised.h"

enum { BAND_ROWS = 16 }; // of x, whose gradient one thread writes

// One row of results and the rows of x that its windows cover, cut at the edges.
struct strip {
    int64_t first, end; // rows of x
    int64_t w, out_w, c;
    int64_t kernel, stride, padding;
};

static struct strip strip_of(const struct max_pool_call *call, int64_t out_row) {
    const struct tensor *x = call->call.inputs[0];
    int64_t first = out_row * call->stride - call->padding;
    int64_t end = first + call->kernel;
    return (struct strip){
        .first = first > 0 ? first : 0,
        .end = end < x->h ? end : x->h,
        .w = x->w,
        .out_w = call->call.out->w,
        .c = x->c,
        .kernel = call->kernel,
        .stride = call->stride,
        .padding = call->padding,
    };
}

// The columns of the window at out_x.
static inline int64_t window_begin(const struct strip *strip, int64_t out_x) {
    int64_t begin = out_x * strip->stride - strip->padding;
    return begin > 0 ? begin : 0;
}

static inline int64_t window_end(const struct strip *strip, int64_t out_x) {
    int64_t end = out_x * strip->stride - strip->padding + strip->kernel;
    return end < strip->w ? end : strip->w;
}

// x is one image, y one row of its result.
VECTORISED static void pool_strip(const struct strip *strip, const float *restrict x,
                                  float *restrict y) {
    int64_t c = strip->c;
    for (int64_t out_x = 0; out_x < strip->out_w; out_x++) {
        float *best = y + out_x * c;
        int64_t begin = window_begin(strip, out_x);
        int64_t end = window_end(strip, out_x);
        for (int64_t j = 0; j < c; j++)
            best[j] = -INFINITY;
        for (int64_t row = strip->first; row < strip->end; row++) {
            for (int64_t column = begin; column < end; column++) {
                const float *values = x + (row * strip->w + column) * c;
                for (int64_t j = 0; j < c; j++) {
                    float value = values[j];
                    bool larger = (value > best[j]) | (value != value);
                    best[j] = larger ? value : best[j];
                }
            }
        }
    }
}

void cpu_max_pool_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct max_pool_call *call = (const struct max_pool_call *)base;
    const struct tensor *x = base->inputs[0];
    const struct tensor *y = base->out;
    int64_t image = x->h * x->w * x->c;
#pragma omp parallel for schedule(static) if (tensor_count(x) > ROWS_WORTH_A_THREAD)
    for (int64_t row = 0; row < y->n * y->h; row++) {
        struct strip strip = strip_of(call, row % y->h);
        pool_strip(&strip, x->data + row / y->h * image, y->data + row * y->w * y->c);
    }
}

// Rows of x, and their gradient.
struct band {
    int64_t first, end;
    float *grad; // of the whole image
    float *left; // [c]: what a window has still to give
};

// Takes from left what belongs to the position: all of it where the position holds the maximum.
static inline void take(const float *restrict values, const float *restrict best, int64_t c,
                        float *restrict left) {
    for (int64_t j = 0; j < c; j++) {
        bool holds = (values[j] == best[j]) | (values[j] != values[j]);
        left[j] = holds ? 0 : left[j];
    }
}

// The same, and adds it to the position's gradient.
static inline void take_over(const float *restrict values, const float *restrict best, int64_t c,
                             float *restrict left, float *restrict grad) {
    for (int64_t j = 0; j < c; j++) {
        bool holds = (values[j] == best[j]) | (values[j] != values[j]);
        float rest = left[j];
        grad[j] += holds ? rest : 0;
        left[j] = holds ? 0 : rest;
    }
}

// Gives the gradients of one row of results to the positions in the band. x is one image.
VECTORISED static void spread_strip(const struct strip *strip, const struct band *band,
                                    const float *restrict x, const float *restrict y,
                                    const float *restrict dy) {
    int64_t c = strip->c;
    for (int64_t out_x = 0; out_x < strip->out_w; out_x++) {
        int64_t begin = window_begin(strip, out_x);
        int64_t end = window_end(strip, out_x);
        const float *best = y + out_x * c;
        for (int64_t j = 0; j < c; j++)
            band->left[j] = dy[out_x * c + j];
        for (int64_t row = strip->first; row < strip->end; row++) {
            bool inside = row >= band->first && row < band->end;
            for (int64_t column = begin; column < end; column++) {
                int64_t at = (row * strip->w + column) * c;
                if (inside)
                    take_over(x + at, best, c, band->left, band->grad + at);
                else
                    take(x + at, best, c, band->left);
            }
        }
    }
}

// All gradients of one band of one image.
static void band_backward(const struct max_pool_call *call, int64_t image, const struct band *band,
                          bool add) {
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    int64_t row_floats = x->w * x->c;
    if (!add)
        memset(band->grad + band->first * row_floats, 0,
               (size_t)((band->end - band->first) * row_floats) * sizeof *band->grad);
    // The windows that reach into the band.
    int64_t before = band->first + call->padding - call->kernel + 1;
    int64_t out_row = before > 0 ? (before + call->stride - 1) / call->stride : 0;
    int64_t last = (band->end - 1 + call->padding) / call->stride;
    for (; out_row <= last && out_row < y->h; out_row++) {
        struct strip strip = strip_of(call, out_row);
        int64_t at = (image * y->h + out_row) * y->w * y->c;
        spread_strip(&strip, band, x->data + image * x->h * row_floats, y->data + at, y->grad + at);
    }
}

void cpu_max_pool_backward(struct nn *nn, struct call *base) {
    const struct max_pool_call *call = (const struct max_pool_call *)base;
    struct tensor *x = base->inputs[0];
    bool add = false;
    float *grad = nn_grad(nn, x, &add);
    if (!grad) return;
    int64_t bands = (x->h + BAND_ROWS - 1) / BAND_ROWS;
    float *left = nn_scratch(nn, x->n * bands * x->c);
    if (!left) return;
#pragma omp parallel for schedule(static) if (tensor_count(x) > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < x->n * bands; i++) {
        int64_t image = i / bands;
        int64_t first = i % bands * BAND_ROWS;
        int64_t end = first + BAND_ROWS;
        struct band band = {
            .first = first,
            .end = end < x->h ? end : x->h,
            .grad = grad + image * x->h * x->w * x->c,
            .left = left + i * x->c,
        };
        band_backward(call, image, &band, add);
    }
    nn_scratch_free(nn, left);
}
