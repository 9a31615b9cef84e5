#include "server/histogram.h"

#include <math.h>

#include "tests/harness.h"

static const double BOUNDS[] = {1, 2, 5};

static void counts(void) {
    struct histogram histogram;
    histogram_init(&histogram, BOUNDS, 3);
    EXPECT_NEAR(histogram_quantile(&histogram, 0.5), 0, 0);
    const double values[] = {0, 1, 1.5, 5, 6};
    for (int i = 0; i < 5; i++)
        histogram_add(&histogram, values[i]);
    EXPECT_INT(histogram.counts[0], 2); // a bound counts as below
    EXPECT_INT(histogram.counts[1], 1);
    EXPECT_INT(histogram.counts[2], 1);
    EXPECT_INT(histogram.counts[3], 1);
    EXPECT_INT(histogram_count(&histogram), 5);
    EXPECT_NEAR(histogram.sum, 13.5, 0);
}

static void quantiles(void) {
    struct histogram histogram;
    histogram_init(&histogram, BOUNDS, 3);
    for (int i = 0; i < 90; i++)
        histogram_add(&histogram, 0.5);
    for (int i = 0; i < 9; i++)
        histogram_add(&histogram, 3);
    EXPECT_NEAR(histogram_quantile(&histogram, 0.5), 1, 0);
    EXPECT_NEAR(histogram_quantile(&histogram, 0.95), 5, 0);
    histogram_add(&histogram, 9);
    EXPECT_NEAR(histogram_quantile(&histogram, 0.99), 5, 0);
    EXPECT(isinf(histogram_quantile(&histogram, 1)));
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"counts", counts}, {"quantiles", quantiles}, {0}});
}
