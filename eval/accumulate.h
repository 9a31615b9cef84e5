// From verdicts on single results to precision and recall of categories. Private to eval/.
#pragma once

#include "eval/matching.h"

struct accumulation {
    const struct cells *cells;
    const struct verdict *verdicts; // [cells->num_results, num_areas]
    struct metric *metric;          // its arrays are filled
    struct accumulation_scratch *scratch; // one for each worker
};

// What a worker needs to rank and sum one category of up to max_results results.
struct accumulation_scratch {
    int32_t *order;   // [max_results]
    int32_t *merged;  // [max_results]
    int32_t *ranks;   // [max_results], of each result within its cell
    double *precision; // [max_results], at each true positive
};

// Fills the metric for one category; categories are independent.
void accumulate_category(const struct accumulation *accumulation, int64_t category, int worker);
