// Resizing as the detectors that people compare with do it: which size; base/resample.h has the
// interpolation.
#pragma once

#include <stdint.h>

#include "base/resample.h"
#include "data/image.h"

// How families turn "shorter side 800, longer side at most 1333" into whole pixels.
enum size_rule {
    SIZE_RULE_DETECTRON,          // round(side * scale); a scale over the limit is replaced
    SIZE_RULE_MASKRCNN_BENCHMARK, // the short side rounded, the long one truncated from it
    SIZE_RULE_DETECTRON2,         // both sides scaled, then rounded half up
    SIZE_RULE_TORCHVISION,        // floor(side * scale), the scale computed in float32
};

// The size for an image of width x height, so that its shorter side becomes short_side or its
// longer side long_side, whichever scale is smaller. Sides are at least 1.
struct image_size size_rule_apply(enum size_rule rule, int32_t width, int32_t height,
                                  int32_t short_side, int32_t long_side);

// Fills *target, whose pixels are allocated in arena, with source resized to width x height, as
// Pillow does it.
MUST_CHECK enum status image_resize(struct image *target, const struct image *source, int32_t width,
                                    int32_t height, struct arena *arena, struct error *err);
