#include "base/random.h"

#include <math.h>

#include "tests/harness.h"

// tests/kat_vectors of the Random123 distribution, the lines "philox4x32 10".
static void known_answers(void) {
    static const struct {
        uint32_t counter[RANDOM_BLOCK_WORDS];
        uint32_t key[2];
        uint32_t block[RANDOM_BLOCK_WORDS];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint32_t block[RANDOM_BLOCK_WORDS];
        random_block(vectors[i].counter, vectors[i].key, block);
        for (int word = 0; word < RANDOM_BLOCK_WORDS; word++)
            EXPECT_INT(block[word], vectors[i].block[word]);
    }
}

// Python's randomgen 2: Philox(counter=stream << 64, key=seed, number=4, width=32).
static void streams(void) {
    static const uint32_t expected[] = {0xaef2adf7, 0xf69b5950, 0x3ceb44f4, 0x89b6573a,
                                        0xec2ab39f, 0x4671fd85, 0x74decae0, 0x4b77ec76};
    struct random random = random_stream(0x0123456789abcdef, 0xfedcba9876543210);
    for (int i = 0; i < 8; i++)
        EXPECT_INT(random_u32(&random), expected[i]);
    EXPECT_INT((int64_t)random.position, 8);
    random = random_stream(42, 7);
    EXPECT_INT(random_u32(&random), 0x67ee6f2c);
    random.position = 4; // skipping ahead
    EXPECT_INT(random_u32(&random), 0xe5dde940);
}

static void uniform(void) {
    enum { COUNT = 100000 };
    struct random random = random_stream(1, 2);
    double sum = 0;
    double squares = 0;
    bool inside = true;
    for (int i = 0; i < COUNT; i++) {
        double value = random_uniform(&random);
        inside = inside && value >= 0 && value < 1;
        sum += value;
        squares += value * value;
    }
    EXPECT(inside);
    // Five deviations of a mean of COUNT draws.
    EXPECT_NEAR(sum / COUNT, 0.5, 5 * sqrt(1.0 / 12 / COUNT));
    EXPECT_NEAR(squares / COUNT, 1.0 / 3, 5 * sqrt(4.0 / 45 / COUNT));
    EXPECT_INT((int64_t)random.position, 2 * COUNT);
}

static void between(void) {
    struct random random = random_stream(3, 0);
    bool inside = true;
    // So narrow that most results round to one of the two ends.
    for (int i = 0; i < 1000; i++) {
        double value = random_between(&random, 1.0, nextafter(1.0, 2.0));
        inside = inside && value == 1.0;
    }
    for (int i = 0; i < 1000; i++) {
        double value = random_between(&random, -3.5, 8);
        inside = inside && value >= -3.5 && value < 8;
    }
    EXPECT(inside);
}

static void below(void) {
    enum { BOUND = 7, COUNT = 70000 };
    struct random random = random_stream(4, 0);
    int counts[BOUND] = {0};
    for (int i = 0; i < COUNT; i++) {
        int64_t value = random_below(&random, BOUND);
        REQUIRE(value >= 0 && value < BOUND);
        counts[value]++;
    }
    const double expected = (double)COUNT / BOUND;
    double chi_squared = 0;
    for (int i = 0; i < BOUND; i++)
        chi_squared += (counts[i] - expected) * (counts[i] - expected) / expected;
    EXPECT(chi_squared < 22.46); // 6 degrees of freedom, one in a thousand
    EXPECT_INT(random_below(&random, 1), 0);
    struct random same = random;
    EXPECT_INT(random_below(&random, INT64_C(1) << 32), random_u32(&same));
    // Of this bound's range nearly half is drawn again: without that, small values would be twice
    // as frequent.
    int64_t bound = (INT64_C(1) << 31) + 1;
    int small = 0;
    for (int i = 0; i < 10000; i++)
        small += random_below(&random, bound) < bound / 2;
    EXPECT_NEAR(small, 5000, 250);
}

static void normal(void) {
    enum { COUNT = 100000 };
    struct random random = random_stream(5, 0);
    double sum = 0;
    double squares = 0;
    int within_one = 0;
    for (int i = 0; i < COUNT; i++) {
        double value = random_normal(&random);
        sum += value;
        squares += value * value;
        within_one += fabs(value) < 1;
    }
    EXPECT_NEAR(sum / COUNT, 0, 5 / sqrt(COUNT));
    EXPECT_NEAR(squares / COUNT, 1, 5 * sqrt(2.0 / COUNT));
    EXPECT_NEAR(within_one / (double)COUNT, 0.6826894921, 0.008);
    EXPECT_INT((int64_t)random.position, 4 * COUNT);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"known_answers", known_answers},
                         {"streams", streams},
                         {"uniform", uniform},
                         {"between", between},
                         {"below", below},
                         {"normal", normal},
                         {0},
                     });
}
