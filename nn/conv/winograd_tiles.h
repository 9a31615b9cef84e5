// Tiles of Winograd's convolution (nn/conv/winograd.h): where they lie, and the transformation of
// what they read. Private to the convolution.
#pragma once

#include <stdint.h>

enum {
    WINOGRAD_TILE = 4,   // results along an axis
    WINOGRAD_PATCH = 6,  // what they are made from
    WINOGRAD_LANES = 16, // channels that are transformed at once
};

// The points of interpolation are 0, +-p, +-q and infinity.
#define WINOGRAD_P 0.75f
#define WINOGRAD_Q 1.5f

struct winograd_tile {
    int64_t image;
    int64_t y, x; // of its first result
};

// Tiles of an image of height x width results; the last ones may stick out.
int64_t winograd_tiles_of(int64_t height, int64_t width);

// Of the images' tiles, one after the other.
struct winograd_tile winograd_tile_at(int64_t height, int64_t width, int64_t index);

// Where the rows of one tile's patch go: 36 of them, stride numbers apart.
struct winograd_rows {
    float *floats;     // or, if that is NULL,
    uint16_t *rounded; // in bf16
    int64_t stride;
};

// B^T x B: reads the patch of the tile from image [height, width, c], zero outside, and writes 36
// rows of c channels, multiplied by gates [c] (NULL: not). c is a multiple of WINOGRAD_LANES.
void winograd_read_patch(const float *image, const float *gates, int64_t height, int64_t width,
                         int64_t c, struct winograd_tile tile, const struct winograd_rows *out);
