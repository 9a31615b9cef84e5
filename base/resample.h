// Resizing pictures as the detectors that people compare with do it.
//
// Two kinds of bilinear interpolation, both with half-pixel centres (a pixel covers an area; its
// value stands at the centre of it):
// - of bytes, widened to an average over the covered area when shrinking: bit for bit Pillow's
//   Image.resize(size, BILINEAR), which detectron2 and maskrcnn-benchmark use (up to Pillow 12.1;
//   later ones sum rows before columns where an image loses far more height than width, which
//   moves some samples by 1);
// - of floats, between the four nearest pixels always: torch's interpolate(mode="bilinear",
//   align_corners=False), which torchvision uses.
//
// Both are separable: rows are resized in width, then summed up to rows of the target. Pictures are
// [height, width, 3], rows tight.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct image_size {
    int32_t width;
    int32_t height;
};

// Neither may overlap the other. arena holds tables and rows, and is as before afterwards.
MUST_CHECK enum status resample_bytes(uint8_t *target, struct image_size target_size,
                                      const uint8_t *source, struct image_size source_size,
                                      struct arena *arena, struct error *err);
MUST_CHECK enum status resample_floats(float *target, struct image_size target_size,
                                       const float *source, struct image_size source_size,
                                       struct arena *arena, struct error *err);

// ---- What the two add up, for those who add it up elsewhere ----

// With 8 bits of sample, a sum of weights of so many bits fits int32_t.
enum { RESAMPLE_BITS = 22, RESAMPLE_UNIT = 1 << RESAMPLE_BITS };

// Of bytes, along one axis: for each target position, counts weights from source position firsts
// on. The result is (sum of weight x byte + RESAMPLE_UNIT / 2) >> RESAMPLE_BITS, at most 255.
struct resample_taps {
    int64_t max_count;
    int32_t *firsts;  // [size]
    int32_t *counts;  // [size]
    int32_t *weights; // [size, max_count], in units of 2^-22; they add up to 1 within rounding
};

// The memory that taps take.
int64_t resample_taps_ints(int64_t target_size, int64_t source_size);

// ints is their memory, and taps point into it.
void resample_taps_fill(struct resample_taps *taps, int32_t *ints, int64_t target_size,
                        int64_t source_size);

// Of floats, along one axis: between which two source positions a target position lies. The result
// is low_weight x low + high_weight x high.
struct resample_blend {
    int32_t low;
    int32_t high;
    float low_weight;
    float high_weight;
};

struct resample_blend resample_blend_at(int64_t at, int64_t source_size, int64_t target_size);
