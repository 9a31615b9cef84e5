// Masks of a part of an image and of the whole.
#pragma once

#include "data/rle.h"

// The part of a mask in a window of width x height pixels whose corner is at (x, y), as a mask of
// the window's size. The window lies within the mask.
MUST_CHECK enum status rle_crop(struct rle *part, const struct rle *whole, int32_t x, int32_t y,
                                int32_t width, int32_t height, struct arena *arena,
                                struct error *err);

// The reverse: a mask of height x width pixels that is part at (x, y), within it, and empty
// elsewhere.
MUST_CHECK enum status rle_place(struct rle *whole, const struct rle *part, int32_t x, int32_t y,
                                 int32_t height, int32_t width, struct arena *arena,
                                 struct error *err);
