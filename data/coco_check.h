// Everything that is wrong with an annotation set, in one go, before hours of training find it out.
//
// Every record is looked at on its own (fields, box, segmentation, the mask that it makes), against
// the others (ids, names, references) and against the image files (there, readable, of the size
// that the set says). Work is shared among threads; the report does not depend on how many.
#pragma once

#include "base/workers.h"
#include "data/coco.h"
#include "data/coco_problem.h"

struct coco_check_options {
    const char *image_folder; // NULL: image files are not looked at
    int64_t max_per_kind;     // how many problems of each kind are kept; all are counted
    struct workers *workers;  // NULL: one thread
};

// How many annotations are of one size by COCO's bounds, by area field or else by mask.
struct coco_size_counts {
    int64_t small;  // area below 32 x 32
    int64_t medium; // below 96 x 96
    int64_t large;
};

struct coco_report {
    struct problem_list problems; // sorted by kind, then by place
    int64_t num_crowds;
    int64_t num_images_without_annotations;
    int64_t num_categories_without_annotations;
    struct coco_size_counts sizes;  // without crowds
    const int64_t *category_counts; // [num_categories], without crowds
    const int64_t *category_crowds; // [num_categories]
    struct arena arena;             // of the counts
};

// Errors: image_folder cannot be read (STATUS_NO_INPUT), no memory. What is wrong with the set is
// no error here but goes to report->problems. A report of a failed check needs no destroying.
MUST_CHECK enum status coco_check(struct coco_report *report, const struct coco_set *set,
                                  const struct coco_check_options *options, struct error *err);

void coco_report_destroy(struct coco_report *report);
