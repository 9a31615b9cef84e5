#include "heads/matching.h"

#include <math.h>

#include "tests/harness.h"

enum { MAX_BOXES = 600, MAX_TRUTHS = 20 };

static const struct matching_rule ANCHORS = {
    .object = 0.7f, .background = 0.3f, .keeps_best = true};
static const struct matching_rule REGIONS = {.object = 0.5f, .background = 0.5f};

static struct box random_box(struct random *random, double most) {
    float x = (float)random_between(random, 0, 100);
    float y = (float)random_between(random, 0, 100);
    return (struct box){x, y, x + (float)random_between(random, 1, most),
                        y + (float)random_between(random, 1, most)};
}

// The whole matrix of overlaps, then the rules one after another, as the papers tell them.
static void match_naively(const struct box *boxes, int64_t count, const struct box *truths,
                          int64_t num_truths, const struct matching_rule *rule, int32_t *matches) {
    static float overlaps[MAX_TRUTHS][MAX_BOXES];
    for (int64_t j = 0; j < num_truths; j++)
        for (int64_t i = 0; i < count; i++)
            overlaps[j][i] =
                box_overlap(truths[j], box_area(truths[j]), boxes[i], box_area(boxes[i]));
    for (int64_t i = 0; i < count; i++) {
        int64_t best = 0;
        for (int64_t j = 1; j < num_truths; j++)
            if (overlaps[j][i] > overlaps[best][i]) best = j;
        float overlap = num_truths ? overlaps[best][i] : 0;
        matches[i] = overlap >= rule->object      ? (int32_t)best
                     : overlap < rule->background ? MATCH_BACKGROUND
                                                  : MATCH_IGNORED;
        if (!rule->keeps_best) continue;
        for (int64_t j = 0; j < num_truths; j++) {
            float most = 0;
            for (int64_t k = 0; k < count; k++)
                most = fmaxf(most, overlaps[j][k]);
            if (most > 0 && overlaps[j][i] == most) matches[i] = (int32_t)best;
        }
    }
}

static void compare(uint64_t seed, int64_t count, int64_t num_truths,
                    const struct matching_rule *rule) {
    static struct box boxes[MAX_BOXES];
    struct box truths[MAX_TRUTHS];
    float best[MAX_TRUTHS];
    static int32_t got[MAX_BOXES];
    static int32_t expected[MAX_BOXES];
    struct random random = random_stream(seed, 1);
    for (int64_t j = 0; j < num_truths; j++)
        truths[j] = random_box(&random, 60);
    for (int64_t i = 0; i < count; i++)
        boxes[i] = i < num_truths ? truths[i] : random_box(&random, 60);
    match_boxes(boxes, count, truths, num_truths, rule, best, got);
    match_naively(boxes, count, truths, num_truths, rule, expected);
    int64_t differences = 0;
    for (int64_t i = 0; i < count; i++)
        differences += got[i] != expected[i];
    EXPECT_INT(differences, 0);
}

static void against_matrix(void) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        compare(seed, 600, 20, &ANCHORS);
        compare(seed, 600, 20, &REGIONS);
        compare(seed, 7, 1, &ANCHORS);
    }
    compare(1, 50, 0, &ANCHORS);
    compare(1, 0, 0, &REGIONS);
}

// Each truth has a box, however small the overlap; ties all count; a truth far away has none.
static void low_overlaps(void) {
    const struct box truths[] = {{0, 0, 10, 10}, {500, 500, 510, 510}};
    const struct box boxes[] = {
        {8, 8, 18, 18}, {-8, -8, 2, 2}, {9, 9, 19, 19}, {100, 100, 120, 120}};
    float best[2];
    int32_t matches[4];
    match_boxes(boxes, 4, truths, 2, &ANCHORS, best, matches);
    EXPECT_INT(matches[0], 0);
    EXPECT_INT(matches[1], 0);
    EXPECT_INT(matches[2], MATCH_BACKGROUND);
    EXPECT_INT(matches[3], MATCH_BACKGROUND);
}

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

static void fill_matches(int32_t *matches, int64_t objects, int64_t backgrounds, int64_t ignored) {
    int64_t at = 0;
    while (objects-- > 0)
        matches[at++] = 3;
    while (backgrounds-- > 0)
        matches[at++] = MATCH_BACKGROUND;
    while (ignored-- > 0)
        matches[at++] = MATCH_IGNORED;
}

static void expect_sampled(int64_t objects, int64_t backgrounds, int64_t limit, double share,
                           int64_t expected_objects, int64_t expected_backgrounds) {
    static int32_t matches[MAX_BOXES];
    static int32_t scratch[MAX_BOXES];
    const struct sampling sampling = {limit, share};
    struct random random = random_stream(5, 9);
    fill_matches(matches, objects, backgrounds, 10);
    sample_matches(matches, objects + backgrounds + 10, &sampling, &random, scratch);
    struct counts got = count(matches, objects + backgrounds + 10);
    EXPECT_INT(got.objects, expected_objects);
    EXPECT_INT(got.backgrounds, expected_backgrounds);
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
}

// Every box has the same chance, and the same stream takes the same boxes.
static void fair(void) {
    enum { BOXES = 40, TAKEN = 10, TRIALS = 8000 };
    int64_t chosen[BOXES] = {0};
    const struct sampling sampling = {TAKEN, 0.5};
    int32_t scratch[BOXES];
    struct random random = random_stream(7, 1);
    for (int trial = 0; trial < TRIALS; trial++) {
        int32_t matches[BOXES];
        int32_t again[BOXES];
        struct random same = random;
        fill_matches(matches, 0, BOXES, 0);
        fill_matches(again, 0, BOXES, 0);
        sample_matches(again, BOXES, &sampling, &same, scratch);
        sample_matches(matches, BOXES, &sampling, &random, scratch);
        EXPECT(memcmp(matches, again, sizeof matches) == 0);
        for (int i = 0; i < BOXES; i++)
            chosen[i] += matches[i] == MATCH_BACKGROUND;
    }
    double expected = (double)TRIALS * TAKEN / BOXES;
    double deviation = sqrt(expected * (1 - (double)TAKEN / BOXES));
    for (int i = 0; i < BOXES; i++)
        EXPECT_NEAR((double)chosen[i], expected, 5 * deviation);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"against_matrix", against_matrix},
                         {"low_overlaps", low_overlaps},
                         {"limits", limits},
                         {"fair", fair},
                         {0},
                     });
}
