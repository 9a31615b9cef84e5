#include "nn/conv/winograd_tiles.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "nn/bf16.h"
#include "nn/vectorised.h"

enum { TILE = WINOGRAD_TILE, PATCH = WINOGRAD_PATCH, LANES = WINOGRAD_LANES };

static const float P = WINOGRAD_P;
static const float Q = WINOGRAD_Q;

static int64_t tiles_along(int64_t size) {
    return (size + TILE - 1) / TILE;
}

int64_t winograd_tiles_of(int64_t height, int64_t width) {
    return tiles_along(height) * tiles_along(width);
}

struct winograd_tile winograd_tile_at(int64_t height, int64_t width, int64_t index) {
    int64_t across = tiles_along(width);
    int64_t per_image = across * tiles_along(height);
    int64_t within = index % per_image;
    return (struct winograd_tile){index / per_image, within / across * TILE,
                                  within % across * TILE};
}

// B^T x: 6 values to 6, for LANES channels at a time.
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

VECTORISED static void read_patch(const float *image, const float *gates, int64_t height,
                                  int64_t width, int64_t c, struct winograd_tile tile,
                                  const struct winograd_rows *out) {
    for (int64_t first = 0; first < c; first += LANES) {
        float rows[PATCH][PATCH][LANES]; // transformed along x
        for (int i = 0; i < PATCH; i++) {
            float patch[PATCH][LANES];
            int64_t at_y = tile.y - 1 + i;
            for (int j = 0; j < PATCH; j++) {
                int64_t at_x = tile.x - 1 + j;
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
                int64_t at = (i * PATCH + j) * out->stride + first;
                for (int l = 0; gates && l < LANES; l++)
                    columns[i][l] *= gates[first + l];
                if (out->floats) memcpy(out->floats + at, columns[i], sizeof columns[i]);
                for (int l = 0; !out->floats && l < LANES; l++)
                    out->rounded[at + l] = bf16_of(columns[i][l]);
            }
        }
    }
}

// A vectorised function that other files call would be seen from outside of the library, too.
void winograd_read_patch(const float *image, const float *gates, int64_t height, int64_t width,
                         int64_t c, struct winograd_tile tile, const struct winograd_rows *out) {
    read_patch(image, gates, height, width, c, tile, out);
}
