// COCO's boxes and masks as JSON values, for whatever document they stand in.
#pragma once

#include "base/json_writer.h"
#include "data/rle.h"

// [x, y, width, height]
void coco_json_box(struct json_writer *w, const struct coco_box *box);

// The runs as COCO's compressed string. STATUS_MEMORY leaves the document without a value here.
MUST_CHECK enum status coco_json_counts(struct json_writer *w, const struct rle *mask,
                                        struct error *err);

// {"size": [height, width], "counts": the same, or with as_list an array of run lengths}
MUST_CHECK enum status coco_json_mask(struct json_writer *w, const struct rle *mask, bool as_list,
                                      struct error *err);
