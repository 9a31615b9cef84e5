#include <string.h>

#include "nn/conv/conv_columns.h"
#include "nn/matmul.h"
#include "nn/vectorised.h"

enum {
    BLOCK = 512, // results at most that are taken at once: their rows stay in the cache
    MIN_CHANNELS = 16,
};

bool conv_columns_apply(const struct conv *conv) {
    return conv->stride > 1 && conv->groups == 1 && conv->images_at_once == 1 &&
           conv->in_channels >= MIN_CHANNELS;
}

static int64_t results_along(const struct conv *conv, int64_t size) {
    return (size + 2 * conv->padding - conv->kernel) / conv->stride + 1;
}

// One pixel's channels, times gates (NULL: none).
VECTORISED static void copy_pixel(const float *pixel, const float *gates, int64_t c, float *out) {
    for (int64_t i = 0; i < c; i++)
        out[i] = gates ? pixel[i] * gates[i] : pixel[i];
}

// The row [k, k, in] of one result, with zeros outside the image.
static void read_row(const struct conv_gradient *g, int64_t index, float *row) {
    const struct conv *conv = g->conv;
    int64_t c = conv->in_channels;
    int64_t across = results_along(conv, g->width);
    int64_t per_image = across * results_along(conv, g->height);
    int64_t image = index / per_image;
    int64_t y = index % per_image / across * conv->stride - conv->padding;
    int64_t x = index % per_image % across * conv->stride - conv->padding;
    const float *gates = g->gates ? g->gates + image * c : NULL;
    for (int64_t i = 0; i < conv->kernel; i++) {
        for (int64_t j = 0; j < conv->kernel; j++, row += c) {
            int64_t at_y = y + i;
            int64_t at_x = x + j;
            if (at_y < 0 || at_y >= g->height || at_x < 0 || at_x >= g->width)
                memset(row, 0, (size_t)c * sizeof *row);
            else
                copy_pixel(g->src + ((image * g->height + at_y) * g->width + at_x) * c, gates, c,
                           row);
        }
    }
}

// [out, k, k, in] to [out, in, k, k].
static void reorder(const struct conv *conv, const float *sums, float *plain) {
    int64_t c = conv->in_channels;
    int64_t area = conv->kernel * conv->kernel;
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < conv->out_channels; o++)
        for (int64_t i = 0; i < c; i++)
            for (int64_t k = 0; k < area; k++)
                plain[(o * c + i) * area + k] = sums[(o * area + k) * c + i];
}

void conv_columns_gradient(struct nn *nn, const struct conv_gradient *g, float *plain) {
    const struct conv *conv = g->conv;
    int64_t columns = conv->kernel * conv->kernel * conv->in_channels;
    int64_t results = g->count * results_along(conv, g->height) * results_along(conv, g->width);
    int64_t num_blocks = (results + BLOCK - 1) / BLOCK;
    int64_t block = (results + num_blocks - 1) / num_blocks;
    float *rows = nn_scratch(nn, block * columns);
    float *sums = nn_scratch(nn, conv->weight->count);
    for (int64_t first = 0; first < results && !nn_failed(nn); first += block) {
        int64_t count = results - first < block ? results - first : block;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++)
            read_row(g, first + i, rows + i * columns);
        const struct dnn_matmul shape = {
            .m = conv->out_channels,
            .n = columns,
            .k = count,
            .transpose_a = true,
            .accumulate = first > 0,
        };
        matmul(nn, conv->label, &shape, g->diff_dst + first * conv->out_channels, rows, sums);
    }
    if (!nn_failed(nn)) reorder(conv, sums, plain);
    nn_scratch_free(nn, sums);
    nn_scratch_free(nn, rows);
}
