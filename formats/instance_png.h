// Instance maps: a 16-bit grey PNG in which a pixel holds the number of its object, 0 for none, and
// a JSON file of the same name that says what the numbers are:
//
//     {"file_name": "a.jpg", "width": 640, "height": 480, "objects": [
//       {"value": 1, "class": "person", "category_id": 1, "score": 0.93, "area": 812}, ..]}
//
// Where objects overlap, the one with the higher score is on top; among equals, the smaller one.
#pragma once

#include "data/image.h"
#include "formats/annotated.h"

// Both files. ious is filled for the image's objects: of their masks and what can be seen of them.
// At most 65535 objects.
MUST_CHECK enum status instance_png_write(struct output *png, struct output *json,
                                          const struct annotated_image *image,
                                          const struct class_list *classes, double *ious,
                                          struct arena *scratch, struct error *err);

// Reads all pairs of files below a folder into an initialised set.
MUST_CHECK enum status instance_png_read(struct annotated_set *set, const char *folder,
                                         struct error *err);
