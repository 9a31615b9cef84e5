// What choosing and sorting cost (nn/top_k/top_k_cuda.h), for the operations that are built of it.
#pragma once

#include "nn/cuda/cost_launch.h"

void cost_sort(struct cost_sheet *sheet, int64_t lists, int64_t each);

// The sums of all lists, of which the best are chosen at once.
struct cost_choice {
    int64_t lists, scores, chosen;
};

void cost_select(struct cost_sheet *sheet, const struct cost_choice *choice);
