// COCO's classes, for weights that come without names.
#pragma once

#include <stdint.h>

enum { COCO_NUM_CLASSES = 80, COCO_LAST_ID = 90 };

struct coco_class {
    int64_t id; // of the category in COCO's files, rising
    const char *name;
};

extern const struct coco_class COCO_CLASSES[COCO_NUM_CLASSES];

// The name of a category id from 1 to 90: "N/A" for the ten that COCO never used.
const char *coco_class_name(int64_t id);
