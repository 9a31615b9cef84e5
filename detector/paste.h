// From a mask of 28 x 28 probabilities inside a box to run lengths in the image (He et al., 2017,
// section 3.1, "Inference"). The mask is read column by column as the runs are made, so no mask of
// the image's size ever exists.
#pragma once

#include "data/rle.h"
#include "detector/conventions.h"
#include "nn/box_list.h"

// mask: [size, size] row-major, set where at least 0.5 once enlarged. box: x1, y1, x2, y2 in pixels
// of the image, finite. The runs are allocated in arena.
MUST_CHECK enum status paste_mask(enum paste_rule rule, const float *mask, int64_t size,
                                  const float box[4], struct extent image, struct arena *arena,
                                  struct rle *rle, struct error *err);
