// COCO's files as annotated images and back.
#pragma once

#include "data/coco_write.h"
#include "formats/annotated.h"

// An object as a record of an annotation file: the tightest box around the mask, its exact area,
// the score if there is one, the mask as run lengths of the given kind. id is left 0.
MUST_CHECK enum status
coco_annotation_from(struct coco_annotation *record, const struct annotated_image *image,
                     const struct annotated_object *object, const struct class_list *classes,
                     enum segment_kind kind, struct arena *arena, struct error *err);

// The same as a record of a results file: the object's own box; a score of 1 if there is none.
MUST_CHECK enum status coco_result_from(struct coco_annotation *record,
                                        const struct annotated_image *image,
                                        const struct annotated_object *object,
                                        const struct class_list *classes, enum segment_kind kind,
                                        struct arena *arena, struct error *err);

// Takes an annotation file into an initialised set. Objects without a segmentation have the mask of
// their box, whose images must give their sizes, as all must.
MUST_CHECK enum status coco_set_read(struct annotated_set *set, const char *path,
                                     struct error *err);

// The same for results of the images and classes of an annotation file.
MUST_CHECK enum status coco_results_read(struct annotated_set *set, const char *path,
                                         const char *annotations, struct error *err);
