// The gradient of the weights by Winograd's minimal filtering. The convolution is linear in its
// weights, so its transposition gives their gradient from that of the results:
//
//     dw = G^T [ sum over tiles (A dY A^T) . (B^T x B) ] G
//
// 36 products for a tile instead of 144, which are 36 matrix products [out, tiles] x [tiles, in].
// (The same as F(3x3, 4x4) in Lavin and Gray, section 4.)
#include <math.h>
#include <string.h>

#include "nn/conv/conv_cpu.h"
#include "nn/conv/winograd.h"
#include "nn/conv/winograd_tiles.h"
#include "nn/conv/winograd_weights.h"
#include "nn/matmul.h"
#include "nn/vectorised.h"

enum {
    TILE = WINOGRAD_TILE,
    PATCH = WINOGRAD_PATCH,
    LANES = WINOGRAD_LANES,
    POINTS = WINOGRAD_POINTS,
    // Tiles that are multiplied at once. Sums over them are read and written once for each block.
    BLOCK = 192,
    BLOCK_MULTIPLE = 16,
};

static const float P = WINOGRAD_P;
static const float Q = WINOGRAD_Q;

// ---- Gradients of results ----

// A y: 4 values to 6, for LANES channels at a time.
static inline void transform_gradient(float y[TILE][LANES], float out[PATCH][LANES]) {
    const float p2 = P * P;
    const float q2 = Q * Q;
    for (int l = 0; l < LANES; l++) {
        float even_p = fmaf(p2, y[2][l], y[0][l]);
        float odd_p = P * fmaf(p2, y[3][l], y[1][l]);
        float even_q = fmaf(q2, y[2][l], y[0][l]);
        float odd_q = Q * fmaf(q2, y[3][l], y[1][l]);
        out[0][l] = y[0][l];
        out[1][l] = even_p + odd_p;
        out[2][l] = even_p - odd_p;
        out[3][l] = even_q + odd_q;
        out[4][l] = even_q - odd_q;
        out[5][l] = y[3][l];
    }
}

// Reads the gradient of a tile's results from image [height, width, c], zero outside, and writes 36
// rows of c channels that begin stride floats apart.
VECTORISED static void read_gradient(const float *image, int64_t height, int64_t width, int64_t c,
                                     struct winograd_tile tile, int64_t stride, float *out) {
    for (int64_t first = 0; first < c; first += LANES) {
        float rows[TILE][PATCH][LANES]; // transformed along x
        for (int i = 0; i < TILE; i++) {
            float y[TILE][LANES];
            for (int j = 0; j < TILE; j++) {
                bool inside = tile.y + i < height && tile.x + j < width;
                int64_t at = inside ? ((tile.y + i) * width + tile.x + j) * c : 0;
                for (int l = 0; l < LANES; l++)
                    y[j][l] = inside ? image[at + first + l] : 0;
            }
            transform_gradient(y, rows[i]);
        }
        for (int j = 0; j < PATCH; j++) {
            float y[TILE][LANES];
            float columns[PATCH][LANES];
            for (int i = 0; i < TILE; i++)
                memcpy(y[i], rows[i][j], sizeof y[i]);
            transform_gradient(y, columns);
            for (int i = 0; i < PATCH; i++)
                memcpy(out + (i * PATCH + j) * stride + first, columns[i], sizeof columns[i]);
        }
    }
}

// ---- All tiles ----

struct sums {
    int64_t block;    // tiles
    float *patches;   // [36, block, in]
    float *gradients; // [36, block, out]
    float *products;  // [36, out, in]
};

static bool prepare(struct nn *nn, const struct conv_gradient *g, int64_t tiles, struct sums *s) {
    int64_t in = g->conv->in_channels;
    int64_t out = g->conv->out_channels;
    int64_t rounded = (tiles + BLOCK_MULTIPLE - 1) / BLOCK_MULTIPLE * BLOCK_MULTIPLE;
    *s = (struct sums){.block = rounded < BLOCK ? rounded : BLOCK};
    s->patches = nn_scratch(nn, POINTS * s->block * in);
    s->gradients = nn_scratch(nn, POINTS * s->block * out);
    s->products = nn_scratch(nn, POINTS * out * in);
    return !nn_failed(nn);
}

static void clear_rows(float *rows, int64_t block, int64_t first, int64_t c) {
    for (int64_t point = 0; point < POINTS; point++)
        memset(rows + (point * block + first) * c, 0, (size_t)((block - first) * c) * sizeof *rows);
}

static void transform_block(const struct conv_gradient *g, const struct sums *s, int64_t begin,
                            int64_t count) {
    int64_t in = g->conv->in_channels;
    int64_t out = g->conv->out_channels;
    int64_t positions = g->height * g->width;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        struct winograd_tile tile = winograd_tile_at(g->height, g->width, begin + i);
        const struct winograd_rows rows = {.floats = s->patches + i * in, .stride = s->block * in};
        winograd_read_patch(g->src + tile.image * positions * in,
                            g->gates ? g->gates + tile.image * in : NULL, g->height, g->width, in,
                            tile, &rows);
        read_gradient(g->diff_dst + tile.image * positions * out, g->height, g->width, out, tile,
                      s->block * out, s->gradients + i * out);
    }
    clear_rows(s->patches, s->block, count, in);
    clear_rows(s->gradients, s->block, count, out);
}

static void multiply_block(struct nn *nn, const struct conv_gradient *g, const struct sums *s,
                           bool add) {
    const struct dnn_matmul shape = {
        .batch = POINTS,
        .m = g->conv->out_channels,
        .n = g->conv->in_channels,
        .k = s->block,
        .transpose_a = true,
        .accumulate = add,
    };
    matmul(nn, g->conv->label, &shape, s->gradients, s->patches, s->products);
}

void winograd_weights_gradient(struct nn *nn, const struct conv_gradient *g, float *plain) {
    int64_t tiles = g->count * winograd_tiles_of(g->height, g->width);
    struct sums sums;
    if (nn_failed(nn) || !prepare(nn, g, tiles, &sums)) return;
    for (int64_t begin = 0; begin < tiles; begin += sums.block) {
        int64_t left = tiles - begin;
        transform_block(g, &sums, begin, left < sums.block ? left : sums.block);
        multiply_block(nn, g, &sums, begin > 0);
    }
    if (!nn_failed(nn))
        winograd_gather_gradient(sums.products, g->conv->out_channels, g->conv->in_channels, plain);
    nn_scratch_free(nn, sums.products);
    nn_scratch_free(nn, sums.gradients);
    nn_scratch_free(nn, sums.patches);
}
