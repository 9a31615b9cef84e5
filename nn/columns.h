// Reductions over positions: one number for each channel of each image. Gates, squeeze-excite and
// the gradients of biases are built on it. The sums are cut into parts that do not depend on the
// number of threads, and added in a fixed order, the last step in double.
#pragma once

#include "nn/nn.h"

enum columns_sum {
    COLUMNS_SUM,
    COLUMNS_SUM_SQUARES,
    COLUMNS_SUM_ABS,
    COLUMNS_MAX_ABS,
    COLUMNS_DOT, // of x and y
};

// out[n, c] from x [n, rows, c] and, for COLUMNS_DOT, y of the same shape (NULL otherwise).
void columns_reduce(struct nn *nn, enum columns_sum kind, const float *x, const float *y, int64_t n,
                    int64_t rows, int64_t c, float *out);

// Whether an image of so many rows is one part, as the maps of RoIs are. Such a one can be worked
// on as a whole while it is in a thread's cache.
bool columns_are_few(int64_t rows);

// out[c] from such an image; one thread. The same numbers as from columns_reduce.
void columns_reduce_few(enum columns_sum kind, const float *x, const float *y, int64_t rows,
                        int64_t c, float *out);
