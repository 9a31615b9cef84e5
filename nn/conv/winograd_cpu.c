#include "nn/conv/winograd.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "nn/bf16.h"
#include "nn/conv/conv_weights.h"
#include "nn/conv/winograd_tiles.h"
#include "nn/conv/winograd_weights.h"
#include "nn/onednn.h"
#include "nn/vectorised.h"

enum {
    TILE = WINOGRAD_TILE,
    PATCH = WINOGRAD_PATCH,
    POINTS = WINOGRAD_POINTS,
    LANES = WINOGRAD_LANES,
    // Tiles that are multiplied at once: their 36 matrices stay in the cache.
    BLOCK = 96,
    BLOCK_BF16 = 128,
    ROWS_MULTIPLE = 16,
    MIN_CHANNELS = 32,
};

static const float P = WINOGRAD_P;
static const float Q = WINOGRAD_Q;

static int64_t round_up(int64_t value, int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

// Rows of one matrix product. A feature map's tiles are cut into blocks by themselves, so that they
// do not depend on other images; regions are small and share blocks.
static int64_t rows_of(const struct nn *nn, const struct conv *conv, int64_t tiles) {
    int64_t block = nn->precision == NN_BF16 ? BLOCK_BF16 : BLOCK;
    if (conv->images_at_once > 1 || tiles >= block) return block;
    return round_up(tiles, ROWS_MULTIPLE);
}

bool winograd_applies(const struct nn *nn, const struct conv *conv, int64_t height, int64_t width) {
    if (nn->direct_convolution) return false;
    if (conv->kernel != 3 || conv->stride != 1 || conv->padding != 1 || conv->groups != 1)
        return false;
    if (conv->in_channels < MIN_CHANNELS || conv->in_channels % LANES != 0) return false;
    if (conv->out_channels < MIN_CHANNELS || conv->out_channels % LANES != 0) return false;
    int64_t tiles = winograd_tiles_of(height, width);
    int64_t rows = conv->images_at_once > 1 ? tiles : round_up(tiles, rows_of(nn, conv, tiles));
    // Half of the direct products at most: the rest goes into the transformations.
    return 2 * POINTS * rows <= 9 * height * width;
}

// ---- Results ----

// A^T m: 6 values to 4, for LANES channels at a time.
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
    const void *weights;
    void *patches;   // [36, rows, in], in bf16 if the context computes in it
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
        struct winograd_tile tile = winograd_tile_at(w->height, w->width, first + i);
        struct winograd_rows rows = {.stride = p->rows * p->in};
        if (nn->precision == NN_BF16)
            rows.rounded = (uint16_t *)p->patches + i * p->in;
        else
            rows.floats = (float *)p->patches + i * p->in;
        winograd_read_patch(w->src + tile.image * in_image,
                            w->gates ? w->gates + tile.image * p->in : NULL, w->height, w->width,
                            p->in, tile, &rows);
    }
    struct error err;
    const struct dnn_arguments arguments = {
        .src = p->patches, .weights = p->weights, .dst = p->products, .scratch = p->scratch};
    if (dnn_run(nn->onednn, p->primitive, &arguments, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", w->conv->label, err.message);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        struct winograd_tile tile = winograd_tile_at(w->height, w->width, first + i);
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
    int64_t tiles = winograd_tiles_of(w->height, w->width);
    *p = (struct plan){
        .rows = rows_of(nn, w->conv, tiles),
        .in = w->turned ? w->conv->out_channels : w->conv->in_channels,
        .out = w->turned ? w->conv->in_channels : w->conv->out_channels,
    };
    bool bf16 = nn->precision == NN_BF16;
    const struct dnn_linear shape = {
        .batch = POINTS, .rows = p->rows, .in = p->in, .out = p->out, .bf16 = bf16};
    if (dnn_linear(nn->onednn, &shape, &p->primitive, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s: %s", w->conv->label, err.message);
        return false;
    }
    p->weights = conv_packed(nn, w->conv, dnn_weights_layout(p->primitive),
                             w->turned ? CONV_WEIGHTS_WINOGRAD_TURNED : CONV_WEIGHTS_WINOGRAD);
    int64_t count = POINTS * p->rows * p->in;
    p->patches = bf16 ? (void *)bf16_scratch(nn, count) : nn_scratch(nn, count);
    p->products = nn_scratch(nn, POINTS * p->rows * p->out);
    p->scratch = nn_scratch(nn, dnn_scratch_floats(p->primitive));
    if (nn_failed(nn)) return false;
    // Rows without a tile are multiplied, too, and must not hold what slows that down.
    memset(p->patches, 0, (size_t)count * (bf16 ? sizeof(uint16_t) : sizeof(float)));
    return true;
}

void winograd_run(struct nn *nn, const struct winograd *w) {
    struct plan plan;
    if (nn_failed(nn) || !prepare(nn, w, &plan)) return;
    int64_t per_image = winograd_tiles_of(w->height, w->width);
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
