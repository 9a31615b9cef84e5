// Matching against the whole matrix of overlaps, and the rules one after another, as the papers
// tell them.
#include "nn/match/match.h"

#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "nn/box_math.h"
#include "tests/nn/check_op.h"

enum { MAX_IMAGES = 3, MAX_BOXES = 700, MAX_TRUTHS = 600 };

static const struct matching_rule ANCHORS = {
    .object = 0.7f, .background = 0.3f, .keeps_best = true};
static const struct matching_rule REGIONS = {.object = 0.5f, .background = 0.5f};

static struct box boxes[MAX_IMAGES * MAX_BOXES];
static struct box truth_list[MAX_TRUTHS];
static int32_t begins[MAX_IMAGES + 1];
static int32_t counts[MAX_IMAGES];

static const float *corners(const struct box *list) {
    return &list->x1;
}

static struct box random_box(struct random *random, double most) {
    float x = (float)random_between(random, 0, 100);
    float y = (float)random_between(random, 0, 100);
    return (struct box){x, y, x + (float)random_between(random, 1, most),
                        y + (float)random_between(random, 1, most)};
}

// Truths of each image, and boxes of which the first ones are these.
static struct truth_boxes make(uint64_t seed, int64_t each, int64_t num_images,
                               const int32_t *num_truths) {
    struct random random = random_stream(seed, 1);
    struct truth_boxes truths = {
        .num_images = num_images, .begins = begins, .boxes = corners(truth_list)};
    for (int64_t image = 0; image < num_images; image++) {
        begins[image] = (int32_t)truths.count;
        for (int32_t j = 0; j < num_truths[image]; j++)
            truth_list[truths.count++] = random_box(&random, 60);
        for (int64_t i = 0; i < each; i++)
            boxes[image * each + i] =
                i < num_truths[image] ? truth_list[begins[image] + i] : random_box(&random, 60);
        truths.most = num_truths[image] > truths.most ? num_truths[image] : truths.most;
    }
    begins[num_images] = (int32_t)truths.count;
    return truths;
}

static float overlap_of(struct box truth, struct box box) {
    return box_overlap(truth, box_area(truth), box, box_area(box));
}

// The candidates of one image that are there, and which they are.
static void match_naively(const struct box *candidates, int64_t count, int64_t image,
                          const struct matching_rule *rule, int32_t *matches) {
    static float overlaps[MAX_TRUTHS][MAX_BOXES];
    int64_t first = begins[image];
    int64_t num_truths = begins[image + 1] - first;
    for (int64_t j = 0; j < num_truths; j++)
        for (int64_t i = 0; i < count; i++)
            overlaps[j][i] = overlap_of(truth_list[first + j], candidates[i]);
    for (int64_t i = 0; i < count; i++) {
        int64_t best = 0;
        for (int64_t j = 1; j < num_truths; j++)
            if (overlaps[j][i] > overlaps[best][i]) best = j;
        float overlap = num_truths ? overlaps[best][i] : 0;
        matches[i] = overlap >= rule->object      ? (int32_t)(first + best)
                     : overlap < rule->background ? MATCH_BACKGROUND
                                                  : MATCH_IGNORED;
        for (int64_t j = 0; j < num_truths && rule->keeps_best; j++) {
            float most = 0;
            for (int64_t k = 0; k < count; k++)
                most = fmaxf(most, overlaps[j][k]);
            if (most > 0 && overlaps[j][i] == most) matches[i] = (int32_t)(first + best);
        }
    }
}

static void compare(const struct candidates *candidates, const struct truth_boxes *truths,
                    const struct matching_rule *rule) {
    static int32_t got[MAX_IMAGES * (MAX_BOXES + MAX_TRUTHS)];
    struct nn *nn = fresh_nn();
    struct error err;
    int64_t count = candidates_of_image(candidates, truths);
    match_forward(nn, candidates, truths, rule, got);
    EXPECT_OK(nn_status(nn, &err), &err);
    for (int64_t image = 0; image < truths->num_images; image++) {
        static struct box there[MAX_BOXES];
        static int32_t expected[MAX_BOXES];
        static int64_t places[MAX_BOXES];
        int64_t num = 0;
        int64_t differences = 0;
        int64_t num_boxes = candidates->counts ? candidates->counts[image] : candidates->each;
        int64_t num_truths = candidates->with_truths ? begins[image + 1] - begins[image] : 0;
        REQUIRE(num_boxes + num_truths <= MAX_BOXES);
        for (int64_t i = 0; i < num_boxes; i++, num++) {
            there[num] = boxes[(candidates->shared ? 0 : image * candidates->each) + i];
            places[num] = i;
        }
        for (int64_t j = 0; j < num_truths; j++, num++) {
            there[num] = truth_list[begins[image] + j];
            places[num] = candidates->each + j;
        }
        match_naively(there, num, image, rule, expected);
        for (int64_t i = 0, k = 0; i < count; i++) {
            bool is_there = k < num && places[k] == i;
            differences += got[image * count + i] != (is_there ? expected[k] : MATCH_IGNORED);
            k += is_there;
        }
        EXPECT_INT(differences, 0);
    }
}

static void anchors(void) {
    static const int32_t few[] = {20, 0, 7};
    static const int32_t many[] = {560, 3};
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct truth_boxes truths = make(seed, 600, 3, few);
        struct candidates all = {.boxes = corners(boxes), .each = 600, .shared = true};
        compare(&all, &truths, &ANCHORS);
        all.shared = false;
        compare(&all, &truths, &ANCHORS);
        compare(&all, &truths, &REGIONS);
    }
    struct truth_boxes truths = make(9, 600, 2, many); // more than a block of threads
    compare(&(struct candidates){.boxes = corners(boxes), .each = 600}, &truths, &ANCHORS);
    truths = make(1, 1, 1, few + 1);
    compare(&(struct candidates){.boxes = corners(boxes), .each = 1}, &truths, &ANCHORS);
}

// Fewer boxes than there is room for, and the truths behind them.
static void regions(void) {
    static const int32_t num_truths[] = {5, 12, 0};
    static const int32_t fills[][MAX_IMAGES] = {{300, 0, 77}, {0, 0, 0}, {300, 300, 1}};
    for (uint64_t i = 0; i < 3; i++) {
        struct truth_boxes truths = make(i, 300, 3, num_truths);
        const struct candidates some = {
            .boxes = corners(boxes), .counts = counts, .each = 300, .with_truths = true};
        memcpy(counts, fills[i], sizeof counts);
        compare(&some, &truths, &REGIONS);
        compare(&some, &truths, &ANCHORS);
    }
    struct truth_boxes none = make(1, 0, 2, num_truths);
    compare(&(struct candidates){.boxes = corners(boxes), .with_truths = true}, &none, &REGIONS);
}

// Each truth has a box, however small the overlap; ties all count; a truth far away has none.
static void low_overlaps(void) {
    static const struct box far[] = {{0, 0, 10, 10}, {500, 500, 510, 510}};
    static const struct box near[] = {
        {8, 8, 18, 18}, {-8, -8, 2, 2}, {9, 9, 19, 19}, {100, 100, 120, 120}};
    static const int32_t starts[] = {0, 2};
    const struct truth_boxes truths = {
        .num_images = 1, .count = 2, .most = 2, .begins = starts, .boxes = corners(far)};
    const struct candidates candidates = {.boxes = corners(near), .each = 4};
    int32_t matches[4];
    struct nn *nn = fresh_nn();
    struct error err;
    match_forward(nn, &candidates, &truths, &ANCHORS, matches);
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT_INT(matches[0], 0);
    EXPECT_INT(matches[1], 0);
    EXPECT_INT(matches[2], MATCH_BACKGROUND);
    EXPECT_INT(matches[3], MATCH_BACKGROUND);
}

// Boxes without area overlap nothing, not even each other.
static void without_area(void) {
    static const struct box points[] = {{3, 3, 3, 3}, {0, 0, 0, 5}};
    static const int32_t starts[] = {0, 1};
    const struct truth_boxes truths = {
        .num_images = 1, .count = 1, .most = 1, .begins = starts, .boxes = corners(points)};
    const struct candidates candidates = {.boxes = corners(points), .each = 2};
    int32_t matches[2];
    struct nn *nn = fresh_nn();
    struct error err;
    match_forward(nn, &candidates, &truths, &ANCHORS, matches);
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT_INT(matches[0], MATCH_BACKGROUND);
    EXPECT_INT(matches[1], MATCH_BACKGROUND);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"anchors", anchors},
                         {"regions", regions},
                         {"low overlaps", low_overlaps},
                         {"without area", without_area},
                         {0},
                     });
}
