// A histogram as Prometheus has it: how many values were at most each bound. Threads add without
// locks.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_MAX_BOUNDS = 24 };

struct histogram {
    const double *bounds; // ascending, num_bounds
    int num_bounds;
    atomic_int_fast64_t counts[HISTOGRAM_MAX_BOUNDS + 1]; // the last: above all bounds
    _Atomic double sum;
};

void histogram_init(struct histogram *histogram, const double *bounds, int num_bounds);
void histogram_add(struct histogram *histogram, double value);
int64_t histogram_count(struct histogram *histogram);

// A bound that at least this share of the values does not exceed; infinite above the last bound, 0
// if there are no values.
double histogram_quantile(struct histogram *histogram, double share);
