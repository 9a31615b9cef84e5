// From verdicts on single results to precision and recall of categories. Private to eval/.
#pragma once

#include "eval/matching.h"

struct accumulation {
    const struct cells *cells;
    const struct verdict *verdicts;       // [cells->num_results, num_areas]
    struct metric *metric;                // its arrays are filled
    struct accumulation_scratch *scratch; // one for each worker
};

// A result that is matched or ignored at some threshold but not ignored at all of them. All others
// only lower the precision, and are known by their number.
struct ranked_verdict {
    int32_t position; // among the results that are not ignored at all thresholds
    int32_t rank;     // within its image
    struct verdict verdict;
};

// What a worker needs to rank and sum one category; all of as many items as it has results.
struct accumulation_scratch {
    int32_t *order;                // positions of the results, by falling score
    int32_t *merged;               // for sorting
    int32_t *ranks;                // of each result of the order within its image
    struct ranked_verdict *events; // of one area range, in the order
    int64_t num_events;
    double *precision; // at each true positive
};

// Room for categories of up to max_results results.
MUST_CHECK enum status accumulation_scratch_init(struct accumulation_scratch *scratch,
                                                 int64_t max_results, struct arena *arena,
                                                 struct error *err);

// Fills the metric for one category; categories are independent.
void accumulate_category(const struct accumulation *accumulation, int64_t category, int worker);
