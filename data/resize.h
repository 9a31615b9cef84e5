// Resizing as the detectors that people compare with do it: which size, and which interpolation.
//
// Two kinds of bilinear interpolation, both with half-pixel centres (a pixel covers an area; its
// value stands at the centre of it):
// - of bytes, widened to an average over the covered area when shrinking: bit for bit Pillow's
//   Image.resize(size, BILINEAR), which detectron2 and maskrcnn-benchmark use (up to Pillow 12.1;
//   later ones sum rows before columns where an image loses far more height than width, which
//   moves some samples by 1);
// - of floats, between the four nearest pixels always: torch's interpolate(mode="bilinear",
//   align_corners=False), which torchvision uses.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "data/image.h"

// How families turn "shorter side 800, longer side at most 1333" into whole pixels.
enum size_rule {
    SIZE_RULE_DETECTRON,          // round(side * scale); a scale over the limit is replaced
    SIZE_RULE_MASKRCNN_BENCHMARK, // the short side rounded, the long one truncated from it
    SIZE_RULE_DETECTRON2,         // both sides scaled, then rounded half up
    SIZE_RULE_TORCHVISION,        // floor(side * scale), the scale computed in float32
};

struct image_size {
    int32_t width;
    int32_t height;
};

// The size for an image of width x height, so that its shorter side becomes short_side or its
// longer side long_side, whichever scale is smaller. Sides are at least 1.
struct image_size size_rule_apply(enum size_rule rule, int32_t width, int32_t height,
                                  int32_t short_side, int32_t long_side);

// Fills *target, whose pixels are allocated in arena, with source resized to width x height.
MUST_CHECK enum status image_resize(struct image *target, const struct image *source, int32_t width,
                                    int32_t height, struct arena *arena, struct error *err);

// source is [source_size.height, source_size.width, 3], target the same of target_size, both rows
// tight, not overlapping. arena holds tables and is as before afterwards.
MUST_CHECK enum status float_image_resize(float *target, struct image_size target_size,
                                          const float *source, struct image_size source_size,
                                          struct arena *arena, struct error *err);
