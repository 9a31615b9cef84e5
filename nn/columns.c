#include "nn/columns.h"

#include <math.h>
#include <string.h>

#include "nn/rows.h"
#include "nn/vectorised.h"

enum {
    PART_ROWS = 256, // at least, so that a part is worth a thread's while
    MAX_PARTS = 64,
    FEW_CHANNELS = 16, // below, positions are taken side by side
    LANES = 16,
};

// One function for each kind: acc[j] over rows, one row after another, so that memory is read as
// one stream; acc stays in the nearest cache.
#define DEFINE_PART(name, combine, term)                                                           \
    VECTORISED static void name(const float *restrict x, const float *restrict y, int64_t rows,    \
                                int64_t c, float *restrict acc) {                                  \
        (void)y;                                                                                   \
        for (int64_t row = 0; row < rows; row++)                                                   \
            for (int64_t j = 0; j < c; j++)                                                        \
                acc[j] = combine(acc[j], term(x[row * c + j], y[row * c + j]));                    \
    }

#define ADD(a, b)         ((a) + (b))
#define LARGER(a, b)      ((a) > (b) ? (a) : (b))
#define TERM_VALUE(x, y)  (x)
#define TERM_SQUARE(x, y) ((x) * (x))
#define TERM_ABS(x, y)    (fabsf(x))
#define TERM_DOT(x, y)    ((x) * (y))

DEFINE_PART(part_sum, ADD, TERM_VALUE)
DEFINE_PART(part_sum_squares, ADD, TERM_SQUARE)
DEFINE_PART(part_sum_abs, ADD, TERM_ABS)
DEFINE_PART(part_max_abs, LARGER, TERM_ABS)
DEFINE_PART(part_dot, ADD, TERM_DOT)

typedef void part_function(const float *restrict x, const float *restrict y, int64_t rows,
                           int64_t c, float *restrict acc);

static part_function *const PARTS[] = {
    [COLUMNS_SUM] = part_sum,         [COLUMNS_SUM_SQUARES] = part_sum_squares,
    [COLUMNS_SUM_ABS] = part_sum_abs, [COLUMNS_MAX_ABS] = part_max_abs,
    [COLUMNS_DOT] = part_dot,
};

// With few channels a vector would be mostly empty: 16 positions side by side are then treated as
// one of 16 times the channels, and the lanes are combined at the end.
static void reduce_part(enum columns_sum kind, const float *x, const float *y, int64_t rows,
                        int64_t c, float *acc) {
    part_function *part = PARTS[kind];
    memset(acc, 0, (size_t)c * sizeof *acc); // sums of nothing, and no magnitude is below 0
    if (c >= FEW_CHANNELS) {
        part(x, y, rows, c, acc);
        return;
    }
    float wide[LANES * FEW_CHANNELS] = {0};
    int64_t wide_rows = rows / LANES;
    part(x, y, wide_rows, LANES * c, wide);
    for (int lane = 0; lane < LANES; lane++)
        for (int64_t j = 0; j < c; j++)
            acc[j] = kind == COLUMNS_MAX_ABS ? fmaxf(acc[j], wide[lane * c + j])
                                             : acc[j] + wide[lane * c + j];
    int64_t done = wide_rows * LANES;
    part(x + done * c, y + done * c, rows - done, c, acc);
}

static void combine_parts(enum columns_sum kind, const float *parts, int64_t num_parts, int64_t c,
                          float *out) {
    for (int64_t j = 0; j < c; j++) {
        double total = 0;
        for (int64_t p = 0; p < num_parts; p++) {
            double value = (double)parts[p * c + j];
            total = kind == COLUMNS_MAX_ABS ? fmax(total, value) : total + value;
        }
        out[j] = (float)total;
    }
}

void columns_reduce(struct nn *nn, enum columns_sum kind, const float *x, const float *y, int64_t n,
                    int64_t rows, int64_t c, float *out) {
    if (!y) y = x;
    int64_t num_parts = rows / PART_ROWS;
    if (num_parts < 1) num_parts = 1;
    if (num_parts > MAX_PARTS) num_parts = MAX_PARTS;
    float *parts = nn_scratch(nn, n * num_parts * c);
    if (!parts) return;
#pragma omp parallel for schedule(static) if (n * rows * c > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < n * num_parts; i++) {
        int64_t image = i / num_parts;
        int64_t part = i % num_parts;
        int64_t begin = rows * part / num_parts;
        int64_t end = rows * (part + 1) / num_parts;
        int64_t at = (image * rows + begin) * c;
        reduce_part(kind, x + at, y + at, end - begin, c, parts + i * c);
    }
#pragma omp parallel for schedule(static) if (n * num_parts * c > ROWS_WORTH_A_THREAD)
    for (int64_t image = 0; image < n; image++)
        combine_parts(kind, parts + image * num_parts * c, num_parts, c, out + image * c);
    nn_scratch_free(nn, parts);
}
