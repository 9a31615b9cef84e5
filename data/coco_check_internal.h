// Between coco_check.c (the set as a whole), coco_check_image.c and coco_check_annotation.c (single
// records).
#pragma once

#include "data/coco_check.h"

// Names and fields of one image, and its file if folder is not NULL.
void check_image(struct problem_list *problems, const struct coco_set *set, int64_t index,
                 const char *folder);

void check_category(struct problem_list *problems, const struct coco_set *set, int64_t index);

// Fields, box, segmentation and mask of one annotation; scratch is given back. Returns the area by
// which the object counts as small, medium or large.
double check_annotation(struct problem_list *problems, const struct coco_set *set, int64_t index,
                        struct arena *scratch);
