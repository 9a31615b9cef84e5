// How much each result of a cell overlaps each of its ground truths. Private to eval/.
#pragma once

#include "eval/cells.h"

// What a worker reuses from cell to cell.
struct overlap_scratch {
    struct arena arena; // masks of the current cell
    struct error err;   // the first failure, code STATUS_OK if none
    double *ious;       // [num_results, num_truths] of the current cell
    int64_t iou_capacity;
};

void overlap_scratch_init(struct overlap_scratch *scratch);
void overlap_scratch_destroy(struct overlap_scratch *scratch);

// How pycocotools' loadRes reads the results: by what the first one holds.
struct result_rules {
    bool area_from_box; // parity: with a bbox in the first result all areas are those of boxes, for
                        // masks too; else all are those of masks, for boxes too
};

// Checks that every record has what settings->iou needs, and finds the rules.
MUST_CHECK enum status overlap_check(struct result_rules *rules, const struct coco_set *truth,
                                     const struct coco_set *results,
                                     const struct metric_settings *settings, struct error *err);

// Fills scratch->ious for the cell and areas[i], the area of its i-th result. Failures (masks that
// do not decode) go to scratch->err.
void overlap_compute(struct overlap_scratch *scratch, double *areas, const struct cells *cells,
                     const struct cell *cell, const struct coco_set *truth,
                     const struct coco_set *results, const struct metric_settings *settings,
                     const struct result_rules *rules);
