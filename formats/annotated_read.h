// Any format in.
#pragma once

#include "formats/annotated.h"
#include "formats/format.h"

struct annotated_source {
    const char *path;
    enum annotation_format format;
    const char *annotations;  // COCO's set that results are about; for others, whose ids are kept
                              // where names of images and classes match. NULL: none
    const char *image_folder; // of the pictures; NULL: none. YOLO's labels need it
};

// Fills a set, which is the caller's to destroy after an error, too. Images are in the order of
// their names or ids.
MUST_CHECK enum status annotated_set_read(struct annotated_set *set,
                                          const struct annotated_source *source, struct error *err);
