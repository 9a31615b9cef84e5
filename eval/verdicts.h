// The verdicts on all results of a file. Private to eval/.
#pragma once

#include "eval/matching.h"

struct verdicts {
    struct cells cells;
    struct verdict *verdicts; // [cells.num_results, settings->num_areas], by position in
                              // cells.results; those that max_dets cut are not set
};

// Builds the cells, computes all overlaps and matches. Everything is allocated from arena. Errors
// as metric_compute's.
MUST_CHECK enum status verdicts_compute(struct verdicts *verdicts, const struct coco_set *truth,
                                        const struct coco_set *results,
                                        const struct metric_settings *settings,
                                        struct workers *workers, struct arena *arena,
                                        struct error *err);
