// Label Studio's run lengths of brush strokes: a stream of bits over the mask's samples, row by
// row, each pixel as four equal samples (RGBA), 0 or 255.
//
// From the front, most significant bit first: 32 bits, the number of samples; 5 bits, the bits of a
// sample less one; four times 4 bits, the sizes of run lengths less one; then runs: one bit,
// whether one value is repeated; 2 bits, which of the four sizes the length has; the length less
// one; the value, or if it is not repeated as many values as the length says. Zeros fill the last
// byte. (The packing is that of thi.ng/rle-pack; label_studio_converter.brush reads it.)
#pragma once

#include "data/rle.h"

// Appends the bytes.
MUST_CHECK enum status brush_rle_write(struct output *out, const struct rle *mask,
                                       struct arena *scratch, struct error *err);

// A pixel is set where its fourth sample is not 0.
MUST_CHECK enum status brush_rle_read(struct rle *mask, const uint8_t *bytes, int64_t size,
                                      int32_t height, int32_t width, struct arena *arena,
                                      struct error *err);
