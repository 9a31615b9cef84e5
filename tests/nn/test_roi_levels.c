#include "nn/roi_levels/roi_levels.h"

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { NUM_LEVELS = 4 }; // P2..P5

static const enum roi_level_rule RULES[] = {ROI_LEVELS_DETECTRON2, ROI_LEVELS_TORCHVISION};

static int32_t level_of_side(double side, enum roi_level_rule rule) {
    const float box[] = {0, 0, (float)side, (float)side};
    return roi_level(box, rule, NUM_LEVELS);
}

static void golden(void) {
    static const struct {
        double side;
        int32_t level;
    } CASES[] = {
        {1e-3, 2}, {50, 2},     {111.99, 2}, {112, 3},  {223.99, 3},
        {224, 4},  {447.99, 4}, {448, 5},    {1000, 5}, {1e6, 5},
    };
    for (int rule = 0; rule < 2; rule++)
        for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
            EXPECT_INT(level_of_side(CASES[i].side, RULES[rule]), CASES[i].level - 2);
}

// Only the area counts.
static void shapes(void) {
    for (int rule = 0; rule < 2; rule++) {
        EXPECT_INT(roi_level((const float[]){7, 9, 7 + 448, 9 + 112}, RULES[rule], NUM_LEVELS), 2);
        EXPECT_INT(roi_level((const float[]){-50, 0, 6, 896}, RULES[rule], NUM_LEVELS), 2);
        EXPECT_INT(roi_level((const float[]){0, 0, 447, 112}, RULES[rule], NUM_LEVELS), 1);
    }
}

static void degenerate(void) {
    static const float BOXES[][4] = {
        {5, 5, 5, 9}, {5, 5, 5, 5}, {5, 5, 3, 9}, {NAN, 0, 3, 3}, {0, 0, 3, NAN}, {9, 9, 9, NAN},
    };
    for (int rule = 0; rule < 2; rule++)
        for (size_t i = 0; i < sizeof BOXES / sizeof BOXES[0]; i++)
            EXPECT_INT(roi_level(BOXES[i], RULES[rule], NUM_LEVELS), 0);
    EXPECT_INT(roi_level((const float[]){0, 0, 1e30f, 1e30f}, RULES[0], NUM_LEVELS), 3);
    EXPECT_INT(roi_level((const float[]){0, 0, 500, 500}, RULES[0], 1), 0);
}

// In double, away from the boundaries, where a hair decides.
static void random_boxes(void) {
    enum { COUNT = 2000 };
    struct nn *nn = fresh_nn();
    struct random random = random_stream(4, 2);
    for (int rule = 0; rule < 2; rule++) {
        struct box_list list;
        nn_begin(nn, NN_INFERENCE);
        box_list_create(nn, &list, COUNT);
        REQUIRE(!nn_failed(nn));
        list.count = COUNT;
        for (int64_t i = 0; i < COUNT; i++) {
            float *box = list.boxes + 4 * i;
            box[0] = (float)random_between(&random, 0, 800);
            box[1] = (float)random_between(&random, 0, 800);
            box[2] = box[0] + (float)exp(random_between(&random, -2, 7));
            box[3] = box[1] + (float)exp(random_between(&random, -2, 7));
        }
        roi_levels_forward(nn, &list, RULES[rule], NUM_LEVELS);
        int64_t seen[NUM_LEVELS] = {0};
        for (int64_t i = 0; i < COUNT; i++) {
            const float *box = list.boxes + 4 * i;
            double area = ((double)box[2] - (double)box[0]) * ((double)box[3] - (double)box[1]);
            double level = 4 + log2(sqrt(area) / 224);
            REQUIRE(list.levels[i] >= 0 && list.levels[i] < NUM_LEVELS);
            seen[list.levels[i]]++;
            if (fabs(level - rint(level)) < 1e-4) continue;
            EXPECT_INT(list.levels[i], (int64_t)fmin(fmax(floor(level), 2), 5) - 2);
        }
        for (int i = 0; i < NUM_LEVELS; i++)
            EXPECT(seen[i] > 0);
    }
}

static void empty(void) {
    struct nn *nn = fresh_nn();
    struct box_list list;
    struct error err;
    box_list_create(nn, &list, 0);
    roi_levels_forward(nn, &list, ROI_LEVELS_DETECTRON2, NUM_LEVELS);
    EXPECT_OK(nn_status(nn, &err), &err);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"golden", golden},
                         {"shapes", shapes},
                         {"degenerate", degenerate},
                         {"random boxes", random_boxes},
                         {"empty", empty},
                         {0},
                     });
}
