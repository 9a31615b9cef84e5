// Values of model files as float32: every half there is, and what does not fit.
#include <math.h>

#include "detector/safetensors.h"
#include "tests/harness.h"

static struct error err;

// The value that a sign, an exponent and a fraction of so many bits stand for.
static double expected_value(unsigned bits, int exponent_bits, int fraction_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1;
    unsigned exponent = bits >> fraction_bits & ((1U << exponent_bits) - 1);
    unsigned fraction = bits & ((1U << fraction_bits) - 1);
    double sign = bits >> (exponent_bits + fraction_bits) ? -1 : 1;
    if (exponent == (1U << exponent_bits) - 1) return fraction ? (double)NAN : sign * HUGE_VAL;
    double significand = ldexp(fraction, -fraction_bits) + (exponent ? 1 : 0);
    return sign * ldexp(significand, (exponent ? (int)exponent : 1) - bias);
}

static void every_half(void) {
    static uint16_t all[1 << 16];
    static float values[1 << 16];
    for (int i = 0; i < 1 << 16; i++)
        all[i] = (uint16_t)i;
    for (int kind = 0; kind < 2; kind++) {
        struct safetensor tensor = {
            "all", NULL, kind ? SAFETENSOR_BF16 : SAFETENSOR_F16, 1, {0}, 1 << 16, all, 0};
        EXPECT_OK(safetensor_to_float(&tensor, values, &err), &err);
        int64_t num_wrong = 0;
        for (unsigned i = 0; i < 1 << 16; i++) {
            double expected = kind ? expected_value(i, 8, 7) : expected_value(i, 5, 10);
            bool same = isnan(expected) ? isnan(values[i])
                                        : (double)values[i] == expected &&
                                              !signbit(values[i]) == !signbit(expected);
            num_wrong += !same;
        }
        EXPECT_INT(num_wrong, 0);
    }
}

static void conversions(void) {
    static const double expected[] = {-2, -1.5, -1};
    static const char *const floats[] = {"mean", "half", "bfloat", "backbone.conv1.weight"};
    static const char *const others[] = {"step", "short", "signed", "bytes", "flags"};
    struct arena arena;
    struct safetensors file;
    arena_init(&arena, 1 << 12, 0);
    const char *path = TESTS_DIR "/detector/safetensors/ours.safetensors";
    REQUIRE(safetensors_open(&file, path, true, &arena, &err) == STATUS_OK);
    for (int i = 0; i < 4; i++) {
        float values[12] = {0};
        EXPECT_OK(safetensor_to_float(safetensors_find(&file, floats[i]), values, &err), &err);
        for (int k = 0; k < 3; k++)
            EXPECT_NEAR((double)values[k], expected[k], 0);
    }
    EXPECT_OK(safetensor_to_float(safetensors_find(&file, "empty"), NULL, &err), &err);
    for (int i = 0; i < 5; i++)
        EXPECT_STATUS(safetensor_to_float(safetensors_find(&file, others[i]), NULL, &err),
                      STATUS_UNSUPPORTED, &err);
    EXPECT_CONTAINS(err.message,
                    "ours.safetensors: tensor \"flags\" is of type BOOL, expected F64, "
                    "F32, F16 or BF16");
    safetensors_close(&file);
    arena_destroy(&arena);
}

static void doubles(void) {
    float values[5];
    double numbers[] = {1e-300, -HUGE_VAL, (double)NAN, 0x1.fffffefp127, 0.1};
    struct safetensor tensor = {"d", NULL, SAFETENSOR_F64, 1, {5}, 5, numbers, sizeof numbers};
    EXPECT_OK(safetensor_to_float(&tensor, values, &err), &err);
    EXPECT(values[0] == 0 && isinf(values[1]) && values[1] < 0 && isnan(values[2]));
    EXPECT(values[3] == 0x1.fffffep127F && values[4] == 0.1F);
    numbers[4] = -1e39;
    EXPECT_STATUS(safetensor_to_float(&tensor, values, &err), STATUS_DATA, &err);
    EXPECT_TEXT(err.message,
                "tensor \"d\" holds -1e+39, expected a number in the range of float32");
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){
            {"every_half", every_half}, {"conversions", conversions}, {"doubles", doubles}, {0}});
}
