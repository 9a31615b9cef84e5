// Objects of many rings as one: what formats need that hold a single outline.
#pragma once

#include "data/polygon.h"

// One closed outline that encloses what count >= 1 rings enclose by the even-odd rule: holes are
// cut and parts joined by bridges of no width, each between corners that are near to one another. A
// bridge is walked there and back, so rasterisers that count crossings do not see it.
MUST_CHECK enum status bridge_rings(struct polygon *outline, const struct ring *rings,
                                    int64_t count, struct arena *arena, struct error *err);

// How many of the rings from the first on belong together: an outer ring and its holes.
int64_t bridge_part_size(const struct ring *rings, int64_t count);
