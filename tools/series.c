#include "tools/series.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

bool series_is_value(double value) {
    return fabs(value) <= SERIES_LARGEST; // false for NaN
}

struct range range_of_nothing(void) {
    return (struct range){HUGE_VAL, -HUGE_VAL};
}

void range_include(struct range *range, double value) {
    range->low = fmin(range->low, value);
    range->high = fmax(range->high, value);
}

int64_t series_num_values(const struct series *series) {
    int64_t count = 0;
    for (int64_t i = 0; i < series->count; i++)
        count += series_is_value(series->values[i]);
    return count;
}

struct range series_steps(const struct series *series) {
    struct range range = range_of_nothing();
    for (int64_t i = 0; i < series->count; i++)
        if (series_is_value(series->values[i])) range_include(&range, series->steps[i]);
    return range;
}

struct range series_values(const struct series *series) {
    struct range range = range_of_nothing();
    for (int64_t i = 0; i < series->count; i++)
        if (series_is_value(series->values[i])) range_include(&range, series->values[i]);
    return range;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

enum status series_usual_values(const struct series *series, double reach, struct range *range,
                                struct arena *arena, struct error *err) {
    const double tail = 0.05;
    *range = series_values(series);
    struct arena_mark mark = arena_mark(arena);
    double *sorted = arena_alloc(arena, series->count, sizeof *sorted);
    if (!sorted) return error_memory(err, "a chart", series->count * (long long)sizeof *sorted);
    int64_t count = 0;
    for (int64_t i = 0; i < series->count; i++)
        if (series_is_value(series->values[i])) sorted[count++] = series->values[i];
    qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
    int64_t skipped = (int64_t)(tail * (double)(count - 1));
    double span = count ? sorted[count - 1 - skipped] - sorted[skipped] : 0;
    if (span > 0) {
        double lowest = sorted[skipped] - reach * span;
        double highest = sorted[count - 1 - skipped] + reach * span;
        *range = range_of_nothing();
        for (int64_t i = 0; i < count; i++)
            if (sorted[i] >= lowest && sorted[i] <= highest) range_include(range, sorted[i]);
    }
    arena_release(arena, mark);
    return STATUS_OK;
}

enum status series_clamp(const struct series *series, struct range range, struct series *result,
                         struct arena *arena, struct error *err) {
    double *values = arena_alloc(arena, series->count, sizeof *values);
    if (!values) return error_memory(err, "a chart", series->count * (long long)sizeof *values);
    for (int64_t i = 0; i < series->count; i++) {
        double value = series->values[i];
        values[i] = series_is_value(value) ? fmin(fmax(value, range.low), range.high) : value;
    }
    *result = (struct series){series->steps, values, series->count};
    return STATUS_OK;
}

// A weighted sum over the values on one side of a step, and the sum of the weights.
struct weighted_sum {
    double sum, weight;
    double step; // of the last value
};

// Moves on to a step and takes in its value.
static void add_value(struct weighted_sum *side, double step, double value, double width) {
    double faded = side->weight > 0 ? exp(-fabs(step - side->step) / width) : 0;
    side->sum = side->sum * faded + value;
    side->weight = side->weight * faded + 1;
    side->step = step;
}

enum status series_smooth(const struct series *series, double width, struct series *result,
                          struct arena *arena, struct error *err) {
    CHECK(width > 0);
    double *values = arena_alloc(arena, series->count, sizeof *values);
    double *weights = arena_alloc(arena, series->count, sizeof *weights);
    if (!values || !weights)
        return error_memory(err, "a chart", 2 * series->count * (long long)sizeof *values);
    struct weighted_sum before = {0};
    for (int64_t i = 0; i < series->count; i++) {
        if (series_is_value(series->values[i]))
            add_value(&before, series->steps[i], series->values[i], width);
        values[i] = before.sum;
        weights[i] = before.weight;
    }
    struct weighted_sum after = {0};
    for (int64_t i = series->count - 1; i >= 0; i--) {
        double value = series->values[i];
        if (!series_is_value(value)) {
            values[i] = (double)NAN;
            continue;
        }
        add_value(&after, series->steps[i], value, width);
        // The value itself is in both sums.
        values[i] = (values[i] + after.sum - value) / (weights[i] + after.weight - 1);
    }
    *result = (struct series){series->steps, values, series->count};
    return STATUS_OK;
}
