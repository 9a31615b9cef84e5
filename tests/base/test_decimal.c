// Decimal numbers against strtod, which glibc documents as correctly rounded.
#include "base/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "tests/harness.h"

static double read_text(const char *text) {
    struct decimal number;
    if (decimal_read(&number, text, text + strlen(text)) != DECIMAL_OK) return (double)NAN;
    EXPECT(decimal_skip(text, text + strlen(text)) == number.end);
    EXPECT_INT(number.end - text, (int64_t)strlen(text));
    return number.value;
}

// Equal to the last bit, and 0 and -0 differ.
static void expect_same(const char *text) {
    double got = read_text(text);
    double expected = strtod(text, NULL);
    if (got != expected || signbit(got) != signbit(expected)) printf("number %s\n", text);
    EXPECT_NEAR(got, expected, 0);
    EXPECT_INT(signbit(got), signbit(expected));
}

static void known_numbers(void) {
    const char *const numbers[] = {
        "0",
        "-0",
        "0.0",
        "-0.0e5",
        "1",
        "9007199254740993",
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "0.1",
        "0.30000000000000004",
        "123456789.123456789",
        "1e22",
        "1e23",
        "8.5e-23",
        "1e-27",
        "1e-28",
        "2.2250738585072014e-308",
        "4.9e-324",
        "1e-400",
        "1.7976931348623157e308",
        "0.000000000000000000000000000000000001",
        "0.1000000000000000055511151231257827021181583404541015625",
        "0.50000000000000005551115123125782702118158340454101562500000000000000000000001",
        "100000000000000000000000000000000000000000000000000",
        "12345678",
        "123456789012345678901",
        "0.00000000123456789012345678",
        "1E+2",
        "1e-0",
        "7.2057594037927933e16",
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        expect_same(numbers[i]);
}

static void random_numbers(void) {
    struct random random = random_stream(1, 0);
    char text[64];
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = (uint64_t)random_u32(&random) << 32 | random_u32(&random);
        double value = 0;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        snprintf(text, sizeof text, "%.17g", value);
        expect_same(text);
        // What files hold: scores and coordinates, with all the digits that Python prints or few.
        snprintf(text, sizeof text, "%.*f", (int)(bits % 19), random_between(&random, -5, 700));
        expect_same(text);
        snprintf(text, sizeof text, "%.17g",
                 random_uniform(&random) * pow(10, -(double)(bits % 9)));
        expect_same(text);
    }
}

// Numbers half-way between two doubles, where one digit more or less decides.
static void halfway_numbers(void) {
    struct random random = random_stream(2, 0);
    char text[1200];
    for (int i = 0; i < 20000; i++) {
        double low = random_between(&random, 1e-6, 1);
        long double middle = ((long double)low + (long double)nextafter(low, 2)) / 2;
        snprintf(text, sizeof text, "%.*Lf", 15 + i % 70, middle);
        expect_same(text);
    }
}

static void malformed(void) {
    const char *const texts[] = {"",    "-",  ".5",   "5.",  "01",       "-01",       "+1",  "1e",
                                 "1e+", "e5", "1.e3", "NaN", "Infinity", "-Infinity", "abc", "--1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct decimal number;
        EXPECT_INT(decimal_read(&number, texts[i], texts[i] + strlen(texts[i])), DECIMAL_MALFORMED);
        EXPECT(!decimal_skip(texts[i], texts[i] + strlen(texts[i])));
    }
    struct decimal number;
    EXPECT_INT(decimal_read(&number, "1e400", &"1e400"[5]), DECIMAL_OVERFLOW);
    char zeros[DECIMAL_MAX_BYTES + 2];
    memset(zeros, '7', sizeof zeros);
    EXPECT_INT(decimal_read(&number, zeros, zeros + sizeof zeros), DECIMAL_TOO_LONG);
}

static void stops_at_the_end(void) {
    const char *text = "12345678901234";
    struct decimal number;
    for (int size = 1; size <= 14; size++) {
        EXPECT_INT(decimal_read(&number, text, text + size), DECIMAL_OK);
        EXPECT_INT(number.end - text, size);
        EXPECT(number.integral);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"known_numbers", known_numbers},
                                          {"random_numbers", random_numbers},
                                          {"halfway_numbers", halfway_numbers},
                                          {"malformed", malformed},
                                          {"stops_at_the_end", stops_at_the_end},
                                          {0}});
}
