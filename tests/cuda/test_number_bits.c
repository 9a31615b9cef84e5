// Conversions between float32 and numbers of 16 bits: every number of 16 bits, and float32 at, just
// below and just above everything half-way between two of them, which is where results change.
#include "nn/cuda/number_bits.h"

#include <math.h>

#include "tests/harness.h"

struct format {
    int fraction_bits, smallest_exponent; // of normal numbers
    uint16_t infinity;
    float (*from)(uint16_t bits);
    uint16_t (*to)(float value);
};

static const struct format BF16 = {7, -126, 0x7F80, number_from_bf16, number_to_bf16};
static const struct format FP16 = {10, -14, 0x7C00, number_from_fp16, number_to_fp16};

// By the definition of the format; what would be infinity continues the numbers below it.
static double value_of(const struct format *f, int bits) {
    int exponent = bits >> f->fraction_bits;
    int fraction = bits - (exponent << f->fraction_bits);
    if (exponent > 0) fraction += 1 << f->fraction_bits;
    int scale = f->smallest_exponent + (exponent > 0 ? exponent - 1 : 0);
    return ldexp(fraction, scale - f->fraction_bits);
}

static void expect_value(const struct format *f, uint16_t bits) {
    float value = f->from(bits);
    float expected = (float)value_of(f, bits);
    EXPECT(equal_bits(&value, &expected, sizeof value));
    float negative = f->from((uint16_t)(bits | 0x8000));
    float opposite = -value;
    EXPECT(equal_bits(&negative, &opposite, sizeof negative));
}

static void expect_bits(const struct format *f, float value, int expected) {
    EXPECT_INT(f->to(value), expected);
    EXPECT_INT(f->to(-value), expected | 0x8000);
}

// Between a number and the next.
static void expect_rounding(const struct format *f, uint16_t bits) {
    double middle = (value_of(f, bits) + value_of(f, bits + 1)) / 2;
    if (middle > (double)3.40282347e38f) return;
    float between = (float)middle;
    EXPECT((double)between == middle); // float32 has it
    expect_bits(f, between, bits + bits % 2);
    expect_bits(f, nextafterf(between, 0), bits);
    expect_bits(f, nextafterf(between, INFINITY), bits + 1);
}

static void check_format(const struct format *f) {
    for (uint16_t bits = 0; bits < f->infinity; bits++) {
        expect_value(f, bits);
        expect_bits(f, f->from(bits), bits);
        expect_rounding(f, bits);
    }
    EXPECT(f->from(f->infinity) == INFINITY && f->from(f->infinity | 0x8000) == -INFINITY);
    expect_bits(f, INFINITY, f->infinity);
    expect_bits(f, 3.40282347e38f, f->infinity);
    for (int bits = f->infinity + 1; bits <= 0x7FFF; bits++)
        EXPECT(isnan(f->from((uint16_t)bits)) && isnan(f->from((uint16_t)(bits | 0x8000))));
    static const uint32_t nans[] = {0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0xFFC00000};
    for (size_t i = 0; i < sizeof nans / sizeof *nans; i++)
        EXPECT_INT(f->to(number_of_bits(nans[i])), 0x7FFF);
}

static void bf16(void) {
    check_format(&BF16);
}

static void fp16(void) {
    check_format(&FP16);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv, (struct test_case[]){{"bf16", bf16}, {"fp16", fp16}, {0}});
}
