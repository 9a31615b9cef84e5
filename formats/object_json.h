// An object as JSON, the same in NDJSON files and in the manifest of an annotation run:
//
//     {"class": "person", "category_id": 1, "iscrowd": 0, "score": 0.93, "bbox": [x, y, w, h],
//      "area": 812, "segmentation": {"size": [h, w], "counts": ".."}}
//
// bbox is the object's own if it has one; otherwise the tightest around the mask.
#pragma once

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "formats/annotated.h"

MUST_CHECK enum status object_json_write(struct json_writer *w,
                                         const struct annotated_object *object,
                                         const struct class_list *classes, struct error *err);

// An object as it was read: its class is still a name and an id.
struct object_json {
    struct annotated_object object;
    const char *class_name; // in arena; NULL: not given
    int64_t category_id;    // 0: not given
};

// Reads one object of an image of height x width pixels; errors are the reader's. A mask is
// expected or at least a box, which then is the mask. Masks and names go to arena.
void object_json_read(struct json_reader *r, struct object_json *object, int32_t height,
                      int32_t width, struct arena *arena);
