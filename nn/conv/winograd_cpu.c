#include "nn/conv/winograd.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "nn/conv/conv_weights.h"
#include "nn/conv/winograd_weights.h"
#include "nn/onednn.h"
#include "nn/vectorised.h"

enum {
    TILE = 4,  // results along an axis
    PATCH = 6, // what they are made from
    POINTS = WINOGRAD_POINTS,
    BLOCK = 96, // tiles that are multiplied at once: their 36 matrices stay in the cache
    ROWS_MULTIPLE = 16,
    LANES = 16, // channels that are transformed at once
    MIN_CHANNELS = 32,
};

// The points of interpolation are 0, +-p, +-q and infinity.
static const float P = 0.75f;
static const float Q = 1.5f;

static int64_t tiles_along(int64_t size) {
    return (size + TILE - 1) / TILE;
}

static int64_t round_up(int64_t value, int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

// Rows of one matrix product. A feature map's tiles are cut into blocks by themselves, so that they
// do not depend on other images; regions are small and share blocks.
static int64_t rows_of(const struct conv *conv, int64_t tiles) {
    if (conv->images_at_once > 1 || tiles >= BLOCK) return BLOCK;
    return round_up(tiles, ROWS_MULTIPLE);
}

bool winograd_applies(const struct nn *nn, const struct conv *conv, int64_t height, int64_t width) {
    if (nn->direct_convolution) return false;
    if (conv->kernel != 3 || conv->stride != 1 || conv->padding != 1 || conv->groups != 1)
        return false;
    if (conv->in_channels < MIN_CHANNELS || conv->in_channels % LANES != 0) return false;
    if (conv->out_channels < MIN_CHANNELS || conv->out_channels % LANES != 0) return false;
    int64_t tiles = tiles_along(height) * tiles_along(width);
    int64_t rows = conv->images_at_once > 1 ? tiles : round_up(tiles, rows_of(conv, tiles));
    // Half of the direct products at most: the rest goes into the transformations.
    return 2 * POINTS * rows <= 9 * height * width;
}

// ---- Transformations along one axis, for LANES channels at a time ----

// B^T x: 6 values to 6.
static inline void transform_patch(const float x0[LANES], const float x1[LANES],
                                   const float x2[LANES], const float x3[LANES],
                                   const float x4[LANES], const float x5[LANES],
                                   float out[PATCH][LANES]) {
    const float p2 = P * P;
    const float q2 = Q * Q;
    for (int l = 0; l < LANES; l++) {
        float even_p = fmaf(-q2, x2[l], x4[l]);
        float odd_p = P * fmaf(-q2, x1[l], x3[l]);
        float even_q = fmaf(-p2, x2[l], x4[l]);
        float odd_q = Q * fmaf(-p2, x1[l], x3[l]);
        out[0][l] = fmaf(p2 * q2, x0[l], fmaf(-(p2 + q2), x2[l], x4[l]));
        out[1][l] = even_p + odd_p;
        out[2][l] = even_p - odd_p;
        out[3][l] = even_q + odd_q;
        out[4][l] = even_q - odd_q;
        out[5][l] = fmaf(p2 * q2, x1[l], fmaf(-(p2 + q2), x3[l], x5[l]));
    }
}

// A^T m: 6 values to 4.
static inline void transform_result(float m[PATCH][LANES], float out[TILE][LANES]) {
    const float p2 = P * P;
    const float q2 = Q * Q;
    for (int l = 0; l < LANES; l++) {
        float sum_p = m[1][l] + m[2][l];
        float difference_p = m[1][l] - m[2][l];
        float sum_q = m[3][l] + m[4][l];
        float difference_q = m[3][l] - m[4][l];
        out[0][l] = m[0][l] + sum_p + sum_q;
        out[1][l] = fmaf(P, difference_p, Q * difference_q);
        out[2][l] = fmaf(p2, sum_p, q2 * sum_q);
        out[3][l] = fmaf(p2 * P, difference_p, fmaf(q2 * Q, difference_q, m[5][l]));
    }
}

// ---- One block of tiles ----

struct tile {
    int64_t image;
    int64_t y, x; // of its first result
};

static struct tile tile_at(const struct winograd *w, int64_t index) {
    int64_t across = tiles_along(w->width);
    int64_t per_image = across * tiles_along(w->height);
    int64_t within = index % per_image;
    return (struct tile){index / per_image, within / across * TILE, within % across * TILE};
}

// Reads the patch of one tile, zero outside the image, and writes 36 rows of c channels that lie
// stride floats apart.
VECTORISED static void read_patch(const float *image, const float *gates, int64_t height,
                                  int64_t width, int64_t c, int64_t y, int64_t x, int64_t stride,
                                  float *out) {
    for (int64_t first = 0; first < c; first += LANES) {
        float rows[PATCH][PATCH][LANES]; // transformed along x
        for (int i = 0; i < PATCH; i++) {
            float patch[PATCH][LANES];
            int64_t at_y = y - 1 + i;
            for (int j = 0; j < PATCH; j++) {
                int64_t at_x = x - 1 + j;
                bool inside = at_y >= 0 && at_y < height && at_x >= 0 && at_x < width;
                const float *from = image + (inside ? (at_y * width + at_x) * c : 0) + first;
                for (int l = 0; l < LANES; l++)
                    patch[j][l] = inside ? from[l] : 0;
            }
            transform_patch(patch[0], patch[1], patch[2], patch[3], patch[4], patch[5], rows[i]);
        }
        for (int j = 0; j < PATCH; j++) {
            float columns[PATCH][LANES];
            transform_patch(rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j],
                            columns);
            for (int i = 0; i < PATCH; i++) {
                float *to = out + (i * PATCH + j) * stride + first;
                for (int l = 0; l < LANES; l++)
                    to[l] = gates ? columns[i][l] * gates[first + l] : columns[i][l];
            }
        }
    }
}

// What becomes of the results.
struct epilogue {
    const float *bias, *residual; // or NULL
    float floor;                  // 0 with ReLU
    bool accumulate;
};

// Writes the 4x4 results of one tile, as far as they lie in the image.
VECTORISED static void write_tile(const float *products, int64_t stride, int64_t height,
                                  int64_t width, int64_t c, int64_t y, int64_t x,
                                  const struct epilogue *e, float *image) {
    int64_t rows = height - y < TILE ? height - y : TILE;
    int64_t columns = width - x < TILE ? width - x : TILE;
    for (int64_t first = 0; first < c; first += LANES) {
        float half[PATCH][TILE][LANES]; // transformed along y
        for (int j = 0; j < PATCH; j++) {
            float m[PATCH][LANES];
            for (int i = 0; i < PATCH; i++)
                memcpy(m[i], products + (i * PATCH + j) * stride + first, sizeof m[i]);
            transform_result(m, half[j]);
        }
        for (int64_t i = 0; i < rows; i++) {
            float m[PATCH][LANES];
            float out[TILE][LANES];
            for (int j = 0; j < PATCH; j++)
                memcpy(m[j], half[j][i], sizeof m[j]);
            transform_result(m, out);
            for (int64_t j = 0; j < columns; j++) {
                int64_t at = ((y + i) * width + x + j) * c + first;
                for (int l = 0; l < LANES; l++) {
                    float value = out[j][l];
                    if (e->bias) value += e->bias[first + l];
                    if (e->residual) value += e->residual[at + l];
                    if (e->accumulate) value += image[at + l];
                    image[at + l] = value < e->floor ? e->floor : value;
                }
            }
        }
    }
}

// ---- All tiles ----

struct plan {
    struct dnn_primitive *primitive;
    const float *weights;
    float *patches;  // [36, rows, in]
    float *products; // [36, rows, out]
    float *scratch;
    int64_t rows, in, out;
};

static void run_block(struct nn *nn, const struct winograd *w, const struct plan *p, int64_t first,
                      int64_t count) {
    int64_t in_image = w->height * w->width * p->in;
    int64_t out_image = w->height * w->width * p->out;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        struct tile tile = tile_at(w, first + i);
        read_patch(w->src + tile.image * in_image, w->gates ? w->gates + tile.image * p->in : NULL,
                   w->height, w->width, p->in, tile.y, tile.x, p->rows * p->in,
                   p->patches + i * p->in);
    }
    struct error err;
    const struct dnn_arguments arguments = {
        .src = p->patches, .weights = p->weights, .dst = p->products, .scratch = p->scratch};
    if (dnn_run(nn->onednn, p->primitive, &arguments, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", w->conv->label, err.message);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        struct tile tile = tile_at(w, first + i);
        const struct epilogue epilogue = {
            .bias = w->bias,
            .residual = w->residual ? w->residual + tile.image * out_image : NULL,
            .floor = w->relu ? 0 : -INFINITY,
            .accumulate = w->accumulate,
        };
        write_tile(p->products + i * p->out, p->rows * p->out, w->height, w->width, p->out, tile.y,
                   tile.x, &epilogue, w->dst + tile.image * out_image);
    }
}

static bool prepare(struct nn *nn, const struct winograd *w, struct plan *p) {
    struct error err;
    int64_t tiles = tiles_along(w->height) * tiles_along(w->width);
    *p = (struct plan){
        .rows = rows_of(w->conv, tiles),
        .in = w->turned ? w->conv->out_channels : w->conv->in_channels,
        .out = w->turned ? w->conv->in_channels : w->conv->out_channels,
    };
    const struct dnn_linear shape = {.batch = POINTS, .rows = p->rows, .in = p->in, .out = p->out};
    if (dnn_linear(nn->onednn, &shape, &p->primitive, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s: %s", w->conv->label, err.message);
        return false;
    }
    p->weights = conv_packed(nn, w->conv, dnn_weights_layout(p->primitive),
                             w->turned ? CONV_WEIGHTS_WINOGRAD_TURNED : CONV_WEIGHTS_WINOGRAD);
    p->patches = nn_scratch(nn, POINTS * p->rows * p->in);
    p->products = nn_scratch(nn, POINTS * p->rows * p->out);
    p->scratch = nn_scratch(nn, dnn_scratch_floats(p->primitive));
    if (nn_failed(nn)) return false;
    // Rows without a tile are multiplied, too, and must not hold what slows that down.
    memset(p->patches, 0, (size_t)(POINTS * p->rows * p->in) * sizeof *p->patches);
    return true;
}

void winograd_run(struct nn *nn, const struct winograd *w) {
    struct plan plan;
    if (nn_failed(nn) || !prepare(nn, w, &plan)) return;
    int64_t per_image = tiles_along(w->height) * tiles_along(w->width);
    // Blocks of feature maps end with the image.
    int64_t group = w->conv->images_at_once > 1 ? w->count * per_image : per_image;
    for (int64_t begin = 0; begin < w->count * per_image; begin += group) {
        for (int64_t first = 0; first < group && !nn_failed(nn); first += plan.rows) {
            int64_t left = group - first;
            run_block(nn, w, &plan, begin + first, left < plan.rows ? left : plan.rows);
        }
    }
    nn_scratch_free(nn, plan.scratch);
    nn_scratch_free(nn, plan.products);
    nn_scratch_free(nn, plan.patches);
}
