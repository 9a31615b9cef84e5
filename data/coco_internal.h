// Between the files that read COCO's JSON: coco.c (documents), coco_parts.c (one large array by
// several threads) and coco_records.c (single records).
#pragma once

#include "base/file_view.h"
#include "base/json_reader.h"
#include "data/coco.h"

// What one thread reads: a stretch of an array of annotations, and what it found there.
struct coco_part {
    struct json_reader json;
    struct error err;
    struct arena arena;
    bool skip_segments;
    struct coco_annotation *annotations;
    int64_t num_annotations;
    int64_t annotation_capacity;

    // Scratch, reused for every segmentation.
    double *numbers;
    int64_t num_numbers;
    int64_t number_capacity;
    struct polygon *polygons;
    int64_t polygon_capacity;

    // Where a stretch ends (coco_parts.c).
    const char *begin; // of the first record
    int64_t reached;   // the part at whose beginning this one stopped, or the number of parts
    struct json_reader at_end; // the reader behind the array's end, if reached
};

// Each reads one record at the reader's place into *record; errors stick to part->json.
void coco_read_annotation(struct coco_part *part, struct coco_annotation *record);
void coco_read_image(struct coco_part *part, struct coco_image *record);
void coco_read_category(struct coco_part *part, struct coco_category *record);

void coco_part_init(struct coco_part *part, const struct coco_load_options *options);
void coco_part_destroy(struct coco_part *part);

// Reads the array of annotations (or results) at the reader's place, in parallel if workers allow,
// and appends it to set. view is the mapped file, or NULL for text that is not mapped.
MUST_CHECK enum status coco_read_annotation_array(struct coco_set *set, struct json_reader *json,
                                                  const struct file_view *view,
                                                  const struct coco_load_options *options,
                                                  struct error *err);
