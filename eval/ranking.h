// Sorting by score.
#pragma once

#include <stdint.h>

// Sorts items by falling scores[item]; items of equal score keep their order (as numpy's mergesort
// of negated scores does). scratch has room for count items.
void rank_by_score(int32_t *items, int64_t count, const double *scores, int32_t *scratch);
