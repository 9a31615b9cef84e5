// A mask made of another one's pixels: cropped, mirrored or resized without interpolation.
#pragma once

#include "data/rle.h"

// Pixel (y, x) of result, height x width, is pixel (rows[y], columns[x]) of source. rows ascend
// (numbers may repeat), columns come in any order. Works on runs: no mask exists as pixels.
MUST_CHECK enum status rle_sample(struct rle *result, const struct rle *source, const int32_t *rows,
                                  int32_t height, const int32_t *columns, int32_t width,
                                  struct arena *arena, struct error *err);
