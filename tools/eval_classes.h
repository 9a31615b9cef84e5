// Which of a model's classes is which category of an annotation file, said aloud.
#pragma once

#include "base/log.h"
#include "detector/class_map.h"
#include "detector/detector.h"

// What does not fit is said as a warning, and is an error if nothing fits.
MUST_CHECK enum status eval_map_classes(struct class_map *map, const struct detector *detector,
                                        const struct coco_set *truth, const struct log *log,
                                        struct arena *arena, struct error *err);
