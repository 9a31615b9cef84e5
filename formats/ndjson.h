// One JSON line for each image, objects as in formats/object_json.h:
//
//     {"id": 1, "file_name": "a.jpg", "width": 640, "height": 480, "objects": [..]}
#pragma once

#include "formats/annotated.h"

MUST_CHECK enum status ndjson_write(struct output *out, const struct annotated_image *image,
                                    const struct class_list *classes, struct error *err);

// Reads a file of such lines into an initialised set. Ids of images and classes are as in the file;
// classes are those that occur.
MUST_CHECK enum status ndjson_read(struct annotated_set *set, const char *path, struct error *err);
