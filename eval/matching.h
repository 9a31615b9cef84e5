// Which results of a cell find a ground truth, at every threshold and area range at once. Private
// to eval/.
#pragma once

#include "eval/cells.h"

// One result in one area range; bit t speaks of threshold t.
struct verdict {
    uint32_t matched;
    uint32_t ignored;
};

struct matching_scratch {
    int64_t capacity;   // of the arrays below
    uint32_t *taken;    // [num_truths]: bit t is set once the truth is matched at threshold t
    bool *ignored;      // [num_truths]: crowd, or outside the area range
    int32_t *candidate; // truths that overlap the current result enough for the lowest threshold
    bool failed;
};

void matching_destroy(struct matching_scratch *scratch);

// Whether a ground truth counts neither way: a crowd, or of an area outside the range.
bool is_ignored(const struct coco_annotation *truth, const struct area_range *range);

// ious: [num_results, num_truths]; areas: of the results; verdicts: [num_results, num_areas], out.
// False: out of memory.
MUST_CHECK bool match_cell(struct verdict *verdicts, struct matching_scratch *scratch,
                           const double *ious, const double *areas, const struct cells *cells,
                           const struct cell *cell, const struct coco_set *truth,
                           const struct metric_settings *settings);
