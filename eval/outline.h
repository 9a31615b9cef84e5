// Outlines of masks for drawing. Private to eval/.
#pragma once

#include "data/rle.h"

// Writes the mask's outlines as the d attribute of an SVG path, in pixels of the image, holes
// included (fill-rule evenodd). The steps of the pixels are smoothed out: no point of a border is
// further than tolerance pixels from the line drawn (Douglas and Peucker, "Algorithms for the
// reduction of the number of points required to represent a digitized line", 1973).
MUST_CHECK enum status outline_write(struct output *out, const struct rle *mask, double tolerance,
                                     struct arena *arena, struct error *err);
