// Which of a model's classes is which category of an annotation file.
//
// A class is the category of its name; else, as names get respelt, the one of its id, if no other
// class has its name.
#pragma once

#include "data/coco.h"
#include "detector/config.h"
#include "detector/name_list.h"

enum { NO_CATEGORY = -1 };

struct class_map {
    int64_t num_classes; // without background
    int64_t *categories; // [num_classes + 1], by label from 1: an id of the set's, or NO_CATEGORY
    int32_t *labels;     // [categories of the set]: a label, or 0

    // What does not fit, for messages: classes that are taken for others give a number too, only a
    // wrong one.
    struct name_list renamed; // classes that are known by their ids only
    struct name_list missing; // classes that the set lacks
    struct name_list unknown; // categories that the model lacks
};

// A set that has none of the classes is an error. Allocates in arena.
MUST_CHECK enum status class_map_make(struct class_map *map, const struct model_config *config,
                                      const struct coco_set *set, struct arena *arena,
                                      struct error *err);
