#include "nn/columns.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "nn/fetch.h"
#include "nn/rows.h"
#include "nn/vectorised.h"

enum {
    PART_ROWS = 256, // at least, so that a part is worth a thread's while
    MAX_PARTS = 64,
    FEW_CHANNELS = 16, // below, positions are taken side by side
    LANES = 16,
};

// One function for each kind: acc[j] over rows, four of them at a time, so that acc, which stays in
// the nearest cache, is read and written less often than x.
#define DEFINE_PART(name, combine, term)                                                           \
    VECTORISED static void name(const float *restrict x, const float *restrict y, int64_t rows,    \
                                int64_t c, float *restrict acc) {                                  \
        (void)y;                                                                                   \
        int64_t row = 0;                                                                           \
        for (; row + 4 <= rows; row += 4) {                                                        \
            const float *x4 = x + row * c;                                                         \
            const float *y4 = y + row * c;                                                         \
            (void)y4;                                                                              \
            for (int64_t j = 0; j < c; j++) {                                                      \
                float first = combine(term(x4[j], y4[j]), term(x4[j + c], y4[j + c]));             \
                float second = combine(term(x4[j + 2 * c], y4[j + 2 * c]),                         \
                                       term(x4[j + 3 * c], y4[j + 3 * c]));                        \
                float four = combine(first, second);                                               \
                acc[j] = combine(acc[j], four);                                                    \
            }                                                                                      \
        }                                                                                          \
        for (; row < rows; row++)                                                                  \
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
        int64_t block = FETCH_FLOATS / c + 1;
        for (int64_t row = 0; row < rows; row += block) {
            int64_t count = row + block < rows ? block : rows - row;
            fetch(x + row * c, count * c);
            if (y != x) fetch(y + row * c, count * c);
            part(x + row * c, y + row * c, count, c, acc);
        }
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

static int64_t num_parts_of(int64_t rows) {
    int64_t parts = rows / PART_ROWS;
    return parts < 1 ? 1 : parts > MAX_PARTS ? MAX_PARTS : parts;
}

bool columns_are_few(int64_t rows) {
    return num_parts_of(rows) == 1;
}

void columns_reduce_few(enum columns_sum kind, const float *x, const float *y, int64_t rows,
                        int64_t c, float *out) {
    CHECK(columns_are_few(rows));
    reduce_part(kind, x, y ? y : x, rows, c, out);
}

void columns_reduce(struct nn *nn, enum columns_sum kind, const float *x, const float *y, int64_t n,
                    int64_t rows, int64_t c, float *out) {
    if (!y) y = x;
    int64_t num_parts = num_parts_of(rows);
    float *parts = num_parts == 1 ? out : nn_scratch(nn, n * num_parts * c);
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
    if (parts == out) return;
#pragma omp parallel for schedule(static) if (n * num_parts * c > ROWS_WORTH_A_THREAD)
    for (int64_t image = 0; image < n; image++)
        combine_parts(kind, parts + image * num_parts * c, num_parts, c, out + image * c);
    nn_scratch_free(nn, parts);
}
