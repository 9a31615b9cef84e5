// The evaluation's raw material: for each category and image that has any, its ground truths and
// its results. Private to eval/.
#pragma once

#include "eval/metric.h"

// One category in one image: ranges of the arrays of struct cells.
struct cell {
    int32_t category; // position in cells->category_ids
    int32_t image;    // position in cells->image_ids
    int64_t truth_begin;
    int64_t num_truths;
    int64_t result_begin;
    int64_t num_results;
};

struct cells {
    int64_t num_categories;
    int64_t *category_ids; // ascending
    int64_t num_images;
    int64_t *image_ids; // ascending
    int64_t num_cells;
    struct cell *cells;       // by category, then image
    int64_t *category_begins; // [num_categories + 1]: where a category's cells begin
    int64_t num_truths;
    int32_t *truths; // positions in truth->annotations, by cell, in file order
    int64_t num_results;
    int32_t *results; // positions in results->annotations, by cell; by falling score, then file
                      // order; a cell's num_results is cut to the largest max_dets
    double *scores;   // [num_results], of each of results
};

// Everything is allocated from arena.
MUST_CHECK enum status cells_build(struct cells *cells, const struct coco_set *truth,
                                   const struct coco_set *results,
                                   const struct metric_settings *settings, struct workers *workers,
                                   struct arena *arena, struct error *err);
