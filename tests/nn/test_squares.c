#include "nn/squares/squares.h"

#include <float.h>
#include <math.h>

#include "tests/nn/check_op.h"

static void check_sum(int64_t count) {
    struct nn *nn = fresh_nn();
    float *values = nn_scratch(nn, count);
    double expected = 0;
    fill(values, count, (uint64_t)count + 1, -1, 1);
    for (int64_t i = 0; i < count; i++)
        expected += (double)values[i] * (double)values[i];
    EXPECT_NEAR(squares_forward(nn, values, count), expected, 1e-12 * expected);
}

// Around the sizes at which sums are cut into parts.
static void sums(void) {
    static const int64_t COUNTS[] = {0, 1, 31, 257, 65535, 65536, 65537, 300000};
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++)
        check_sum(COUNTS[i]);
}

// No overflow, no loss of small ones, and nothing that is not finite goes unnoticed.
static void extremes(void) {
    enum { COUNT = 70000 };
    struct nn *nn = fresh_nn();
    float *values = nn_scratch(nn, COUNT);
    for (int64_t i = 0; i < COUNT; i++)
        values[i] = i % 2 ? FLT_MAX : -FLT_MAX;
    double expected = (double)FLT_MAX * (double)FLT_MAX * COUNT;
    EXPECT_NEAR(squares_forward(nn, values, COUNT), expected, 1e-12 * expected);
    values[COUNT - 1] = NAN;
    EXPECT(isnan(squares_forward(nn, values, COUNT)));
    memset(values, 0, COUNT * sizeof *values);
    values[COUNT - 1] = 1e-30F;
    expected = (double)1e-30F * (double)1e-30F;
    EXPECT_NEAR(squares_forward(nn, values, COUNT), expected, 1e-12 * expected);
}

// The values in the program's own memory.
static void own_memory(void) {
    static const float VALUES[] = {3, -4};
    EXPECT_NEAR(squares_forward(fresh_nn(), VALUES, 2), 25, 0);
}

static void failed(void) {
    struct nn *nn = fresh_nn();
    nn_fail(nn, STATUS_MEMORY, "full");
    EXPECT(squares_forward(nn, (const float[]){1}, 1) == 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"sums", sums},
                         {"extremes", extremes},
                         {"own memory", own_memory},
                         {"failed", failed},
                         {0},
                     });
}
