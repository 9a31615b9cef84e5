// Sampling against the rule: numbers drawn one after another, the smallest looked for one after
// another.
#include "nn/sample/sample.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { MAX_CANDIDATES = 20000 };

static const struct sample_streams STREAMS = {.seed = 7, .first = 1000, .step = 2};

struct counts {
    int64_t objects, backgrounds, ignored;
};

static struct counts count(const int32_t *matches, int64_t num) {
    struct counts counts = {0};
    for (int64_t i = 0; i < num; i++) {
        counts.objects += matches[i] >= 0;
        counts.backgrounds += matches[i] == MATCH_BACKGROUND;
        counts.ignored += matches[i] == MATCH_IGNORED;
    }
    return counts;
}

static void run(int32_t *matches, int64_t num_images, int64_t each, const struct sampling *sampling,
                const struct sample_streams *streams, struct sampled *sampled) {
    struct nn *nn = fresh_nn();
    struct error err;
    sample_forward(nn, matches, num_images, each, sampling, streams, sampled);
    EXPECT_OK(nn_status(nn, &err), &err);
}

// Ignores all but the keep ones of a kind that have the smallest numbers.
static void keep_smallest(int32_t *matches, int64_t each, bool objects, int64_t keep,
                          const uint32_t *numbers) {
    static bool stays[MAX_CANDIDATES];
    memset(stays, 0, sizeof stays);
    for (; keep > 0; keep--) {
        int64_t best = -1;
        for (int64_t i = 0; i < each; i++) {
            if (stays[i] || (objects ? matches[i] < 0 : matches[i] != MATCH_BACKGROUND)) continue;
            if (best < 0 || numbers[i] < numbers[best]) best = i;
        }
        if (best < 0) break;
        stays[best] = true;
    }
    for (int64_t i = 0; i < each; i++)
        if (!stays[i] && (objects ? matches[i] >= 0 : matches[i] == MATCH_BACKGROUND))
            matches[i] = MATCH_IGNORED;
}

static void sample_naively(int32_t *matches, int64_t each, const struct sampling *sampling,
                           uint64_t stream) {
    static uint32_t numbers[MAX_CANDIDATES];
    struct random random = random_stream(STREAMS.seed, stream);
    for (int64_t i = 0; i < each; i++)
        numbers[i] = random_u32(&random);
    if (sampling->count == 0) return;
    int64_t limit = (int64_t)floor((double)sampling->count * sampling->positives);
    keep_smallest(matches, each, true, limit, numbers);
    keep_smallest(matches, each, false, sampling->count - count(matches, each).objects, numbers);
}

// So many of each kind, mixed.
static void fill_matches(int32_t *matches, int64_t objects, int64_t backgrounds, int64_t ignored,
                         uint64_t seed) {
    struct random random = random_stream(seed, 3);
    int64_t left[] = {objects, backgrounds, ignored};
    for (int64_t all = objects + backgrounds + ignored, i = 0; i < all; i++) {
        int64_t which = random_below(&random, all - i);
        int kind = which < left[0] ? 0 : which < left[0] + left[1] ? 1 : 2;
        left[kind]--;
        matches[i] = kind == 0 ? (int32_t)(i % 5) : kind == 1 ? MATCH_BACKGROUND : MATCH_IGNORED;
    }
}

static void against_rule(int64_t objects, int64_t backgrounds, struct sampling sampling) {
    enum { IMAGES = 2 };
    static int32_t got[IMAGES * MAX_CANDIDATES];
    static int32_t expected[IMAGES * MAX_CANDIDATES];
    struct sampled sampled[IMAGES];
    int64_t each = objects + backgrounds + 10;
    REQUIRE(each <= MAX_CANDIDATES);
    for (int64_t image = 0; image < IMAGES; image++) {
        fill_matches(got + image * each, objects, backgrounds, 10, (uint64_t)(each + image));
        memcpy(expected + image * each, got + image * each, (size_t)each * sizeof *got);
        sample_naively(expected + image * each, each, &sampling,
                       STREAMS.first + (uint64_t)image * STREAMS.step);
    }
    run(got, IMAGES, each, &sampling, &STREAMS, sampled);
    EXPECT(memcmp(got, expected, (size_t)(IMAGES * each) * sizeof *got) == 0);
    for (int64_t image = 0; image < IMAGES; image++) {
        struct counts counts = count(expected + image * each, each);
        EXPECT_INT(sampled[image].objects, counts.objects);
        EXPECT_INT(sampled[image].backgrounds, counts.backgrounds);
    }
}

static void smallest_numbers(void) {
    against_rule(100, 400, (struct sampling){256, 0.5});
    against_rule(200, 300, (struct sampling){256, 0.5});
    against_rule(200, 300, (struct sampling){1, 1});
    against_rule(300, 3000, (struct sampling){20, 0.3});
    against_rule(15, 19000, (struct sampling){256, 0.5});
    against_rule(2000, 6000, (struct sampling){512, 0.25}); // several of each digit
}

static void expect_sampled(int64_t objects, int64_t backgrounds, int64_t limit, double share,
                           int64_t expected_objects, int64_t expected_backgrounds) {
    static int32_t matches[MAX_CANDIDATES];
    const struct sampling sampling = {limit, share};
    struct sampled sampled;
    int64_t each = objects + backgrounds + 10;
    fill_matches(matches, objects, backgrounds, 10, 5);
    run(matches, 1, each, &sampling, &STREAMS, &sampled);
    struct counts got = count(matches, each);
    EXPECT_INT(got.objects, expected_objects);
    EXPECT_INT(got.backgrounds, expected_backgrounds);
    EXPECT_INT(sampled.objects, expected_objects);
    EXPECT_INT(sampled.backgrounds, expected_backgrounds);
}

static void limits(void) {
    expect_sampled(100, 400, 256, 0.5, 100, 156);
    expect_sampled(200, 300, 256, 0.5, 128, 128);
    expect_sampled(200, 20, 256, 0.5, 128, 20); // too few to fill up
    expect_sampled(0, 300, 256, 0.5, 0, 256);
    expect_sampled(0, 0, 256, 0.5, 0, 0);
    expect_sampled(90, 400, 512, 0.25, 90, 400);
    expect_sampled(150, 400, 512, 0.25, 128, 384);
    expect_sampled(150, 400, 0, 0.25, 150, 400); // no limit
    expect_sampled(150, 400, 10, 0, 0, 10);
}

static void nothing(void) {
    const struct sampling sampling = {256, 0.5};
    struct sampled sampled[2] = {{3, 4}, {5, 6}};
    run(NULL, 2, 0, &sampling, &STREAMS, sampled);
    EXPECT_INT(sampled[0].objects + sampled[0].backgrounds, 0);
    EXPECT_INT(sampled[1].objects + sampled[1].backgrounds, 0);
    run(NULL, 0, 5, &sampling, &STREAMS, NULL);
}

// Every candidate has the same chance.
static void fair(void) {
    enum { EACH = 40, TAKEN = 10, TRIALS = 2000 };
    static int32_t matches[TRIALS * EACH];
    static struct sampled sampled[TRIALS];
    const struct sampling sampling = {TAKEN, 0.5};
    int64_t chosen[EACH] = {0};
    for (int i = 0; i < TRIALS * EACH; i++)
        matches[i] = MATCH_BACKGROUND;
    run(matches, TRIALS, EACH, &sampling, &STREAMS, sampled);
    for (int i = 0; i < TRIALS * EACH; i++)
        chosen[i % EACH] += matches[i] == MATCH_BACKGROUND;
    double expected = (double)TRIALS * TAKEN / EACH;
    double deviation = sqrt(expected * (1 - (double)TAKEN / EACH));
    for (int i = 0; i < EACH; i++)
        EXPECT_NEAR((double)chosen[i], expected, 5 * deviation);
}

// An image's sample does not depend on the others, nor on what is left out of them.
static void alone(void) {
    enum { IMAGES = 3, EACH = 900 };
    static int32_t together[IMAGES * EACH];
    static int32_t one[EACH];
    const struct sampling sampling = {64, 0.5};
    struct sampled sampled[IMAGES];
    for (int i = 0; i < IMAGES; i++)
        fill_matches(together + i * EACH, 90 * i, EACH - 90 * i, 0, (uint64_t)i);
    run(together, IMAGES, EACH, &sampling, &STREAMS, sampled);
    for (int i = 0; i < IMAGES; i++) {
        struct sample_streams stream = STREAMS;
        struct sampled of_one;
        stream.first += (uint64_t)i * STREAMS.step;
        fill_matches(one, 90 * i, EACH - 90 * i, 0, (uint64_t)i);
        run(one, 1, EACH, &sampling, &stream, &of_one);
        EXPECT(memcmp(one, together + i * EACH, sizeof one) == 0);
        EXPECT_INT(of_one.objects, sampled[i].objects);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"smallest numbers", smallest_numbers},
                         {"limits", limits},
                         {"nothing", nothing},
                         {"fair", fair},
                         {"alone", alone},
                         {0},
                     });
}
