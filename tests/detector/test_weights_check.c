// Numbers that no network can have are found wherever they stand, and no other ones.
#include <float.h>
#include <math.h>

#include "detector/weights_check.h"
#include "tests/harness.h"

enum { COUNT = 37 };

static float values[COUNT];

static enum status check(enum parameter_kind kind, int64_t count, struct error *err) {
    const struct parameter p = {
        .name = "p", .kind = kind, .num_dims = 1, .shape = {count}, .count = count, .host = values};
    return weights_check(&p, "file", "a.weight", err);
}

static void fill(float value) {
    for (int i = 0; i < COUNT; i++)
        values[i] = value;
}

static void anything_finite(void) {
    static const float good[] = {0, -0.0F, 1, -1, FLT_MAX, -FLT_MAX, FLT_MIN, FLT_TRUE_MIN};
    struct error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        fill(good[i]);
        EXPECT_OK(check(PARAMETER_WEIGHT, COUNT, &err), &err);
        if (good[i] >= 0) EXPECT_OK(check(PARAMETER_NORM_VARIANCE, COUNT, &err), &err);
    }
    fill(NAN);
    EXPECT_OK(check(PARAMETER_WEIGHT, 0, &err), &err);
}

static void not_finite(void) {
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    struct error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int at = 0; at < COUNT; at++) {
            fill(1);
            values[at] = bad[i];
            EXPECT_STATUS(check(PARAMETER_BIAS, COUNT, &err), STATUS_DATA, &err);
        }
    EXPECT_TEXT(err.message, "file: tensor \"a.weight\" holds -inf (value 37 of 37), expected "
                             "finite numbers");
    fill(INFINITY); // the first one is named
    EXPECT_STATUS(check(PARAMETER_NORM_VARIANCE, COUNT, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "holds inf (value 1 of 37)");
}

static void negative_variance(void) {
    struct error err;
    fill(1);
    values[5] = -1e-6F;
    EXPECT_OK(check(PARAMETER_NORM_MEAN, COUNT, &err), &err);
    EXPECT_STATUS(check(PARAMETER_NORM_VARIANCE, COUNT, &err), STATUS_DATA, &err);
    EXPECT_TEXT(err.message, "file: tensor \"a.weight\" holds -1e-06 (value 6 of 37), expected "
                             "variances of 0 or more");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"anything finite", anything_finite},
                                          {"not finite", not_finite},
                                          {"negative variance", negative_variance},
                                          {0}});
}
