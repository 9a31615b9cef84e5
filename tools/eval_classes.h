// Which of a model's classes is which category of an annotation file.
#pragma once

#include "base/log.h"
#include "data/coco.h"
#include "detector/detector.h"

enum { NO_CATEGORY = -1 };

// categories[label] for labels from 1: an id of truth's, or NO_CATEGORY. A class is the category of
// its name; else, as names get respelt, the one of its id, if no other class has its name. What
// does not fit is said as a warning, and is an error if nothing fits: classes that are taken for
// others give a number too, only a wrong one.
MUST_CHECK enum status eval_map_classes(int64_t **categories, const struct detector *detector,
                                        const struct coco_set *truth, const struct log *log,
                                        struct arena *arena, struct error *err);
