// What choosing and sorting cost (nn/top_k/top_k_cuda.h), for the operations that are built of it.
#pragma once

#include "nn/cuda/cost_launch.h"

void cost_sort(struct cost_sheet *sheet, int64_t count);

// The k best of count scores, in any order; of several selections that are made at once, the sums.
void cost_select(struct cost_sheet *sheet, int64_t count, int64_t k);
