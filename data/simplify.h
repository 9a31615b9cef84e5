// Fewer corners for outlines that follow the steps of pixels.
#pragma once

#include "data/polygon.h"

// Those corners of a closed ring that are needed for no border to be further than tolerance pixels
// from the line drawn (Douglas and Peucker, "Algorithms for the reduction of the number of points
// required to represent a digitized line", 1973), in their order. Long rings are treated in pieces.
MUST_CHECK enum status polygon_simplify(struct polygon *simple, const struct polygon *ring,
                                        double tolerance, struct arena *arena, struct error *err);
