// Tasks of Label Studio with predictions: masks as brush strokes, which hold them exactly
// (formats/brush_rle.h), to be imported as one JSON file.
//
// The labelling interface that the tasks fit, with the names "label" and "image", is written beside
// them.
#pragma once

#include "base/json_writer.h"
#include "formats/annotated.h"

// One task. prefix goes before the image's name, which is escaped as in a URL:
// "/data/local-files/?d=" is where Label Studio serves a folder of its own machine.
MUST_CHECK enum status label_studio_write(struct json_writer *w,
                                          const struct annotated_image *image,
                                          const struct class_list *classes, const char *prefix,
                                          struct arena *scratch, struct error *err);

// The labelling interface, XML.
void label_studio_write_interface(struct output *out, const struct class_list *classes);

// Reads a file of tasks into an initialised set. Of a task, its annotations count if there are any,
// the first, and otherwise its predictions; of these, brush strokes, polygons and rectangles that
// are not turned. Images without results have no size there and are errors.
MUST_CHECK enum status label_studio_read(struct annotated_set *set, const char *path,
                                         struct error *err);
