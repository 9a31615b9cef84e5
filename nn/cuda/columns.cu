#include "nn/cuda/columns.h"

#include "nn/cuda/columns_kernel.h"

// As in sums of a few arrays: a thread for each channel.
enum { FEW_ROWS = 8 };

static __global__ void __launch_bounds__(BLOCK_THREADS)
    sum_few(const float *x, int64_t n, int64_t rows, int64_t c, float *out) {
    int64_t i = global_index();
    if (i >= n * c) return;
    int64_t first = i / c * rows * c + i % c;
    double value = 0;
    for (int64_t row = 0; row < rows; row++)
        value += (double)x[first + row * c];
    out[i] = (float)value;
}

static void sum(struct nn *nn, struct numbers x, int64_t n, int64_t rows, int64_t c, float *out) {
    if (rows > FEW_ROWS || x.type != NUMBER_FLOAT32)
        column_reduce<COLUMNS_SUM>(nn, x, numbers(), n, rows, c, false, out, column_end{});
    else if (n * c > 0)
        LAUNCH(nn, sum_few, blocks_for(n * c, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const float *)x.as<float>(), n, rows, c, out);
}

void cuda_columns_reduce(struct nn *nn, enum columns_sum kind, struct numbers x, struct numbers y,
                         int64_t n, int64_t rows, int64_t c, float *out) {
    switch (kind) {
    case COLUMNS_SUM:
        sum(nn, x, n, rows, c, out);
        return;
    case COLUMNS_SUM_SQUARES:
        column_reduce<COLUMNS_SUM_SQUARES>(nn, x, y, n, rows, c, false, out, column_end{});
        return;
    case COLUMNS_DOT:
        column_reduce<COLUMNS_DOT>(nn, x, y, n, rows, c, false, out, column_end{});
        return;
    case COLUMNS_SUM_ABS:
    case COLUMNS_MAX_ABS:
        break; // gates' alone, which go on with them
    }
    CHECK(false);
}

void cuda_columns_add(struct nn *nn, struct numbers x, int64_t rows, int64_t c, float *accumulate) {
    column_reduce<COLUMNS_SUM>(nn, x, numbers(), 1, rows, c, true, accumulate, column_end{});
}
