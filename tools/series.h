// A quantity over the steps of a run, and what a chart needs to know about it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

// Values that are missing (NaN), infinite or beyond this are gaps.
#define SERIES_LARGEST 1e300

struct series {
    const double *steps; // not falling
    const double *values;
    int64_t count;
};

struct range {
    double low, high; // low > high: of nothing
};

// What contains no value yet, and how it grows.
struct range range_of_nothing(void);
void range_include(struct range *range, double value);

// Whether it is none of those.
bool series_is_value(double value);

int64_t series_num_values(const struct series *series);

// The range of the values, and of the steps that have one; gaps left out.
struct range series_steps(const struct series *series);
struct range series_values(const struct series *series);

// The same without outliers, so that a single spike does not press all else flat: values are left
// out that are farther from the middle 90 % of the values than reach times what these span.
MUST_CHECK enum status series_usual_values(const struct series *series, double reach,
                                           struct range *range, struct arena *arena,
                                           struct error *err);

// The values with those outside the range moved to its ends. The result is in arena.
MUST_CHECK enum status series_clamp(const struct series *series, struct range range,
                                    struct series *result, struct arena *arena, struct error *err);

// The mean of the values around each step, weighted by exp(-distance / width), width > 0 in steps
// (Nadaraya and Watson's estimate with a Laplace kernel). It is symmetric, so a drop stays where it
// is, unlike with a running average. Gaps stay gaps. The result is in arena.
MUST_CHECK enum status series_smooth(const struct series *series, double width,
                                     struct series *result, struct arena *arena, struct error *err);
