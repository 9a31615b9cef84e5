#include "nn/box_coding_math.h"

#include "base/random.h"
#include "tests/harness.h"

static const struct box_coding TENS = {10, 10, 5, 5};
static const struct box_coding ONES = {1, 1, 1, 1};

static void random_box(struct random *random, float box[4]) {
    box[0] = (float)random_between(random, -50, 700);
    box[1] = (float)random_between(random, -50, 700);
    box[2] = box[0] + (float)random_between(random, 1, 400);
    box[3] = box[1] + (float)random_between(random, 1, 400);
}

// Detectron's test of its own coding, without its "+ 1".
static void golden(void) {
    static const float PROPOSAL[] = {10, 20, 109, 219};
    static const float TRUTH[] = {14, 30, 129, 209};
    static const double EXPECTED[] = {1.21212121, 0, 0.74906139, -0.52959509};
    float deltas[4];
    box_encode(PROPOSAL, TRUTH, &TENS, deltas);
    for (int i = 0; i < 4; i++)
        EXPECT_NEAR((double)deltas[i], EXPECTED[i], 1e-6);
    float box[4];
    box_decode(PROPOSAL, deltas, &TENS, box);
    for (int i = 0; i < 4; i++)
        EXPECT_NEAR((double)box[i], (double)TRUTH[i], 1e-4);
}

static void there_and_back(void) {
    struct random random = random_stream(1, 1);
    for (int i = 0; i < 1000; i++) {
        float reference[4];
        float truth[4];
        float deltas[4];
        float box[4];
        random_box(&random, reference);
        random_box(&random, truth);
        // The cap would cut a box that is 62.5 times as large.
        if ((truth[2] - truth[0]) / (reference[2] - reference[0]) > 60) continue;
        if ((truth[3] - truth[1]) / (reference[3] - reference[1]) > 60) continue;
        const struct box_coding *coding = i % 2 ? &TENS : &ONES;
        box_encode(reference, truth, coding, deltas);
        box_decode(reference, deltas, coding, box);
        for (int j = 0; j < 4; j++)
            EXPECT_NEAR((double)box[j], (double)truth[j], 2e-3);
    }
}

static void decodes_in_double(void) {
    struct random random = random_stream(2, 1);
    for (int i = 0; i < 1000; i++) {
        float r[4];
        float d[4];
        float box[4];
        random_box(&random, r);
        for (int j = 0; j < 4; j++)
            d[j] = (float)random_between(&random, -6, 6); // beyond the cap, too
        const struct box_coding *c = i % 2 ? &TENS : &ONES;
        box_decode(r, d, c, box);
        const double weights[4] = {(double)c->x, (double)c->y, (double)c->width, (double)c->height};
        for (int axis = 0; axis < 2; axis++) {
            double low = (double)r[axis];
            double side = (double)r[axis + 2] - low;
            double centre = low + side / 2 + (double)d[axis] / weights[axis] * side;
            double size =
                side * exp(fmin((double)d[axis + 2] / weights[axis + 2], log(1000. / 16)));
            double scale = fabs(low) + fabs(centre - low) + side + size;
            EXPECT_NEAR((double)box[axis], centre - size / 2, 1e-6 * scale);
            EXPECT_NEAR((double)box[axis + 2], centre + size / 2, 1e-6 * scale);
        }
    }
}

static void capped(void) {
    static const float REFERENCE[] = {0, 0, 16, 16};
    static const float DELTAS[] = {0, 0, 1e30f, INFINITY};
    float box[4];
    box_decode(REFERENCE, DELTAS, &ONES, box);
    EXPECT_NEAR((double)(box[2] - box[0]), 1000, 1e-3);
    EXPECT_NEAR((double)(box[3] - box[1]), 1000, 1e-3);
}

static void clipped(void) {
    static const struct extent EXTENT = {.height = 30, .width = 40};
    static const float CASES[][2][4] = {
        {{-3, -4, 50, 60}, {0, 0, 40, 30}}, {{1, 2, 3, 4}, {1, 2, 3, 4}},
        {{-9, -8, -7, -6}, {0, 0, 0, 0}},   {{41, 31, 50, 50}, {40, 30, 40, 30}},
        {{0, 0, 40, 30}, {0, 0, 40, 30}},   {{-INFINITY, 0, INFINITY, 1}, {0, 0, 40, 1}},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        float box[4];
        memcpy(box, CASES[i][0], sizeof box);
        box_clip(box, EXTENT);
        for (int j = 0; j < 4; j++)
            EXPECT_NEAR((double)box[j], (double)CASES[i][1][j], 0);
    }
}

static void large(void) {
    EXPECT(box_is_large((const float[]){0, 0, 1, 1}, 1));
    EXPECT(!box_is_large((const float[]){0, 0, 1, 0.5f}, 1));
    EXPECT(!box_is_large((const float[]){0, 0, 0.5f, 1}, 1));
    EXPECT(box_is_large((const float[]){0, 0, 1e-6f, 1e-6f}, 0));
    EXPECT(!box_is_large((const float[]){2, 2, 2, 5}, 0));
    EXPECT(!box_is_large((const float[]){2, 5, 4, 2}, 0));
    for (int i = 0; i < 4; i++) {
        float box[] = {0, 0, 5, 5};
        box[i] = NAN;
        EXPECT(!box_is_large(box, 0));
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"golden", golden},
                         {"there and back", there_and_back},
                         {"decodes in double", decodes_in_double},
                         {"capped", capped},
                         {"clipped", clipped},
                         {"large", large},
                         {0},
                     });
}
