#include "server/histogram.h"

#include <math.h>

#include "base/check.h"

void histogram_init(struct histogram *histogram, const double *bounds, int num_bounds) {
    CHECK(num_bounds >= 1 && num_bounds <= HISTOGRAM_MAX_BOUNDS);
    histogram->bounds = bounds;
    histogram->num_bounds = num_bounds;
    for (int i = 0; i <= num_bounds; i++)
        atomic_init(&histogram->counts[i], 0);
    atomic_init(&histogram->sum, 0);
}

void histogram_add(struct histogram *histogram, double value) {
    int bin = 0;
    while (bin < histogram->num_bounds && value > histogram->bounds[bin])
        bin++;
    atomic_fetch_add(&histogram->counts[bin], 1);
    double sum = atomic_load(&histogram->sum);
    while (!atomic_compare_exchange_weak(&histogram->sum, &sum, sum + value))
        continue;
}

int64_t histogram_count(struct histogram *histogram) {
    int64_t count = 0;
    for (int i = 0; i <= histogram->num_bounds; i++)
        count += atomic_load(&histogram->counts[i]);
    return count;
}

double histogram_quantile(struct histogram *histogram, double share) {
    int64_t count = histogram_count(histogram);
    int64_t below = 0;
    if (count == 0) return 0;
    for (int i = 0; i < histogram->num_bounds; i++) {
        below += atomic_load(&histogram->counts[i]);
        if ((double)below >= share * (double)count) return histogram->bounds[i];
    }
    return HUGE_VAL;
}
