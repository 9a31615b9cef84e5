#include "nn/bf16.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

static float float_of(uint32_t bits) {
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double value_of(uint16_t rounded) {
    return (double)float_of((uint32_t)rounded << 16);
}

// Nothing lies nearer, and of two that are as near the even one is taken.
static void expect_nearest(uint32_t bits) {
    float value = float_of(bits);
    uint16_t got = bf16_of(value);
    double error = fabs(value_of(got) - (double)value);
    for (int step = -1; step <= 1; step += 2) {
        double other = value_of((uint16_t)(got + step));
        if (!isfinite(other) || (other < 0) != (value < 0)) continue;
        double other_error = fabs(other - (double)value);
        EXPECT(error < other_error || (error == other_error && got % 2 == 0));
    }
}

static void nearest(void) {
    struct random random = random_stream(1, 0);
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)random_below(&random, INT64_C(1) << 32);
        if (i % 4 == 0) bits = (bits & 0xFFFF0000) | 0x8000; // a tie
        if (i % 4 == 1) bits &= 0x807FFFFF;                  // a subnormal
        // Between the largest bf16 and twice it lies the infinity that those numbers become.
        if ((bits & 0x7FFFFFFF) < 0x7F7F0000) expect_nearest(bits);
    }
}

static void special(void) {
    static const struct {
        uint32_t bits;
        uint16_t expected;
    } cases[] = {
        {0, 0},
        {0x80000000, 0x8000},
        {0x3F800000, 0x3F80}, // 1
        {0x3F808000, 0x3F80}, // ties to the even one
        {0x3F818000, 0x3F82},
        {0x7F800000, 0x7F80}, // infinity
        {0xFF800000, 0xFF80},
        {0x7F7F7FFF, 0x7F7F}, // the last number that is not nearer to infinity
        {0x7F7F8000, 0x7F80},
        {0x7F7FFFFF, 0x7F80}, // the largest float32
        {0x7FC00000, 0x7FC0}, // what computations make where there is no number
        {0xFFC00000, 0xFFC0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        EXPECT_INT(bf16_of(float_of(cases[i].bits)), cases[i].expected);
}

enum { MAX_ROWS = 70, MAX_CHANNELS = 37, STRIDE = 41 };

static float x[MAX_ROWS * STRIDE], scales[MAX_CHANNELS];
static uint16_t out[MAX_ROWS * MAX_CHANNELS + 1];

static void expect_rows(int64_t stride, bool scaled, int64_t count, int64_t c) {
    for (int64_t i = 0; i < count * c; i++) {
        float value = x[i / c * stride + i % c];
        EXPECT_INT(out[i], bf16_of(scaled ? value * scales[i % c] : value));
    }
    EXPECT_INT(out[count * c], 12345); // nothing behind them
    out[count * c] = 12345;
}

static void rows(void) {
    fill(x, MAX_ROWS * STRIDE, 1, -1, 1);
    fill(scales, MAX_CHANNELS, 2, -2, 2);
    for (int64_t count = 0; count <= MAX_ROWS; count += 7)
        for (int64_t c = 1; c <= MAX_CHANNELS; c += 9)
            for (int scaled = 0; scaled < 2; scaled++) {
                const float *factors = scaled ? scales : NULL;
                out[count * c] = 12345;
                bf16_of_rows(x, STRIDE, factors, count, c, out);
                expect_rows(STRIDE, scaled, count, c);
                bf16_of_rows(x, c, factors, count, c, out);
                expect_rows(c, scaled, count, c);
                bf16_of_many_rows(x, factors, count, c, out);
                expect_rows(c, scaled, count, c);
            }
}

static void scratch(void) {
    use_precision(NN_FLOAT32);
    struct nn *nn = fresh_nn();
    int64_t used = nn->heap.used_bytes;
    uint16_t *numbers = bf16_scratch(nn, 33);
    REQUIRE(numbers);
    memset(numbers, 0, 33 * sizeof *numbers); // all of it is ours
    nn_scratch_free(nn, numbers);
    EXPECT_INT(nn->heap.used_bytes, used);
}

static void names(void) {
    enum nn_precision found = NN_FLOAT32;
    EXPECT_TEXT(NN_PRECISION_NAMES[NN_FLOAT32], "float32");
    EXPECT_TEXT(NN_PRECISION_NAMES[NN_BF16], "bfloat16");
    EXPECT_TEXT(NN_PRECISION_NAMES[NN_BF16_ALIAS], "bf16");
    EXPECT_TEXT(NN_PRECISION_NAMES[NN_TF32], "tf32");
    EXPECT_TEXT(NN_PRECISION_NAMES[NN_FP16], "float16");
    EXPECT_TEXT(NN_PRECISION_NAMES[NN_FP16_ALIAS], "fp16");
    EXPECT(!NN_PRECISION_NAMES[NN_FP16_ALIAS + 1]);
    EXPECT(nn_precision_named("bf16", &found) && found == NN_BF16);
    EXPECT(nn_precision_named("float32", &found) && found == NN_FLOAT32);
    EXPECT(nn_precision_named("bfloat16", &found) && found == NN_BF16);
    EXPECT(nn_precision_named("tf32", &found) && found == NN_TF32);
    EXPECT(nn_precision_named("fp16", &found) && found == NN_FP16);
    EXPECT(!nn_precision_named("float8", &found) && found == NN_FP16);
}

static void cuda_only(void) {
    struct nn *nn = NULL;
    struct error err;
    struct nn_options options = {.precision = NN_TF32};
    EXPECT_STATUS(nn_create(&nn, &options, &err), STATUS_UNSUPPORTED, &err);
    EXPECT_TEXT(err.message, "precision tf32: only the device cuda computes in it; use float32");
    options.precision = NN_FP16_ALIAS;
    EXPECT_STATUS(nn_create(&nn, &options, &err), STATUS_UNSUPPORTED, &err);
    EXPECT_TEXT(err.message, "precision float16: only the device cuda computes in it; use float32");
    options = (struct nn_options){.tune = true};
    EXPECT_STATUS(nn_create(&nn, &options, &err), STATUS_UNSUPPORTED, &err);
    EXPECT_TEXT(err.message, "tune: only the device cuda has engines to choose from");
}

static void contexts(void) {
    use_precision(NN_BF16);
    use_precision(NN_FLOAT32);
    struct nn *nn = NULL;
    struct error err;
    const struct nn_options options = {.num_threads = 2, .precision = NN_BF16_ALIAS};
    EXPECT_OK(nn_create(&nn, &options, &err), &err);
    REQUIRE(nn != NULL);
    EXPECT(nn->precision == NN_BF16);
    nn_begin(nn, NN_TRAINING);
    EXPECT_STATUS(nn_status(nn, &err), STATUS_UNSUPPORTED, &err);
    EXPECT_TEXT(err.message, "precision bfloat16: training computes in float32 only");
    nn_begin(nn, NN_INFERENCE);
    EXPECT_OK(nn_status(nn, &err), &err);
    nn_destroy(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"nearest", nearest},
                         {"special", special},
                         {"rows", rows},
                         {"scratch", scratch},
                         {"names", names},
                         {"cuda_only", cuda_only},
                         {"contexts", contexts},
                         {0},
                     });
}
