// COCO's files out: annotation sets and results, record by record in constant memory. A file
// appears under its name only when it is complete.
//
//     struct coco_writer w;
//     TRY(coco_writer_open_set(&w, "instances.json", "made today", err));
//     coco_write_image(&w, &image);
//     coco_write_annotation(&w, &annotation);
//     coco_write_category(&w, &category);
//     return coco_writer_commit(&w, err);
//
// Writing never fails: as with struct output, the first failure is kept and reported by commit.
#pragma once

#include "base/json_writer.h"
#include "base/output.h"
#include "data/coco.h"

enum coco_section {
    COCO_NO_SECTION,
    COCO_IMAGES_SECTION,
    COCO_ANNOTATIONS_SECTION,
    COCO_CATEGORIES_SECTION,
    COCO_NUM_SECTIONS
};

struct coco_writer {
    struct output out;
    struct json_writer json;
    bool is_results;
    enum coco_section section;          // the array that is open
    bool is_written[COCO_NUM_SECTIONS]; // arrays that were begun
};

// An annotation file: an object with info (holding description), images, annotations, categories.
MUST_CHECK enum status coco_writer_open_set(struct coco_writer *w, const char *path,
                                            const char *description, struct error *err);

// A results file: an array of results.
MUST_CHECK enum status coco_writer_open_results(struct coco_writer *w, const char *path,
                                                struct error *err);

// The text of a results file in memory, to be read with coco_writer_text.
void coco_writer_open_results_text(struct coco_writer *w);

// Records of an annotation file, all of one kind in a row, the kinds in any order. An image whose
// file was turned upright has the key "exif_orientation", 2 to 8, which COCO does not know: width,
// height and all annotations are those of the upright image.
void coco_write_image(struct coco_writer *w, const struct coco_image *image);
void coco_write_category(struct coco_writer *w, const struct coco_category *category);

// Writes bbox, area and score if the annotation has them and the segmentation in the form that it
// has.
void coco_write_annotation(struct coco_writer *w, const struct coco_annotation *annotation);

// A record of a results file: image_id, category_id, bbox and segmentation if there are any, score.
void coco_write_result(struct coco_writer *w, const struct coco_annotation *result);

MUST_CHECK enum status coco_writer_commit(struct coco_writer *w, struct error *err);

// Ends a text in memory, which stays until coco_writer_discard.
MUST_CHECK enum status coco_writer_text(struct coco_writer *w, const char **text, int64_t *size,
                                        struct error *err);
void coco_writer_discard(struct coco_writer *w); // safe after commit and on a zeroed struct

// Makes the segmentation of a mask, SEGMENT_STRING or SEGMENT_COUNTS, in arena.
MUST_CHECK enum status coco_segment_from_rle(struct coco_segment *segment, const struct rle *rle,
                                             enum segment_kind kind, struct arena *arena,
                                             struct error *err);
