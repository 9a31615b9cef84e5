// Masks as polygons with holes.
#pragma once

#include "base/json_writer.h"
#include "data/rle.h"
#include "server/fault.h"

// Writes a list of {"outer": [x, y, ...], "holes": [[x, y, ...], ...]}, a part of the mask each, in
// pixels and closed, and gives their intersection over union with the mask as COCO draws them. With
// tolerance 0 the rings follow the borders of the pixels and the mask comes back whole; otherwise
// corners are left out, as long as no border moves by more than tolerance.
bool answer_polygon_write(struct json_writer *w, double *iou, const struct rle *mask,
                          double tolerance, struct arena *arena, struct fault *fault);
