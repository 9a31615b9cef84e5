// Reductions over positions, one number for each channel of each image, as nn/columns.h has them
// for the CPU. How an image is cut follows from its size alone, so its sums do not depend on the
// others; sums of parts are added in double. Each is one launch (columns_kernel.h).
#pragma once

#include "nn/cuda/numbers.h"

extern "C" {
#include "nn/columns.h"
}

// out[n, c] from x [n, rows, c] and, for COLUMNS_DOT, y of the same shape and type (NULL
// otherwise), all in the device's reach. kind is COLUMNS_SUM, COLUMNS_SUM_SQUARES or COLUMNS_DOT.
void cuda_columns_reduce(struct nn *nn, enum columns_sum kind, struct numbers x, struct numbers y,
                         int64_t n, int64_t rows, int64_t c, float *out);

// The same into accumulate[c], which is added to; n is 1.
void cuda_columns_add(struct nn *nn, struct numbers x, int64_t rows, int64_t c, float *accumulate);
