// Detections as records of COCO's files (data/coco_write.h). Masks become compressed strings, which
// live in arena.
#pragma once

#include "data/coco.h"
#include "detector/detect.h"

// A record of a results file: the box and the score as they were detected.
MUST_CHECK enum status coco_result_of(struct coco_annotation *result,
                                      const struct detection *detection, int64_t image_id,
                                      int64_t category_id, struct arena *arena, struct error *err);
