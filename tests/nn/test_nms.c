#include "nn/nms/nms.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { MAX_COUNT = 20000 };

struct problem {
    int64_t count;
    float boxes[MAX_COUNT * 4];
    int32_t groups[MAX_COUNT];
    bool grouped;
    float threshold;
};

static struct problem p;
static int32_t items[MAX_COUNT + 1];

// In float, as the rule is: a hair decides.
static bool suppresses(const float *a, const float *b, float threshold) {
    float w = fminf(a[2], b[2]) - fmaxf(a[0], b[0]);
    float h = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    if (!(w > 0 && h > 0)) return false;
    float both = w * h;
    float area_a = (a[2] - a[0]) * (a[3] - a[1]);
    float area_b = (b[2] - b[0]) * (b[3] - b[1]);
    return both / (area_a + area_b - both) > threshold;
}

// Every box against every kept one.
static int64_t keep_naively(int64_t max_keep, int32_t *kept) {
    int64_t num_kept = 0;
    for (int64_t i = 0; i < p.count && num_kept < max_keep; i++) {
        bool dropped = false;
        for (int64_t k = 0; k < num_kept && !dropped; k++)
            dropped = (!p.grouped || p.groups[kept[k]] == p.groups[i]) &&
                      suppresses(p.boxes + 4 * kept[k], p.boxes + 4 * i, p.threshold);
        if (!dropped) kept[num_kept++] = (int32_t)i;
    }
    return num_kept;
}

static int64_t check_kept(int64_t max_keep) {
    static int32_t expected[MAX_COUNT];
    int64_t most = max_keep < p.count ? max_keep : p.count;
    struct indices kept = {.capacity = most, .items = items};
    items[most] = -7;
    struct nn *nn = fresh_nn();
    nms_forward(nn, p.boxes, p.grouped ? p.groups : NULL, p.count, p.threshold, max_keep, &kept);
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    int64_t num_expected = keep_naively(max_keep, expected);
    EXPECT_INT(kept.count, num_expected);
    EXPECT(memcmp(items, expected, (size_t)num_expected * sizeof *items) == 0);
    EXPECT_INT(items[most], -7);
    return num_expected;
}

static void random_boxes(int64_t count, int64_t num_groups, double side, float threshold) {
    static const int32_t GROUPS[] = {3, -1, INT32_MAX, 0, INT32_MIN};
    struct random random = random_stream((uint64_t)(count + num_groups), 5);
    p.count = count;
    p.grouped = num_groups > 0;
    p.threshold = threshold;
    for (int64_t i = 0; i < count; i++) {
        float *box = p.boxes + 4 * i;
        box[0] = (float)random_between(&random, 0, 300);
        box[1] = (float)random_between(&random, 0, 200);
        box[2] = box[0] + (float)random_between(&random, 1, side);
        box[3] = box[1] + (float)random_between(&random, 1, side);
        if (!p.grouped) continue;
        int64_t group = random_below(&random, num_groups);
        p.groups[i] = group < 5 ? GROUPS[group] : (int32_t)group * 1000;
    }
}

static void check_boxes(int64_t count, int64_t num_groups, double side, float threshold) {
    random_boxes(count, num_groups, side, threshold);
    check_kept(0);
    check_kept(count / 10);
    check_kept(INT32_MAX);
}

static void boxes(void) {
    check_boxes(0, 0, 50, 0.5f);
    check_boxes(1, 1, 50, 0.5f);
    check_boxes(200, 0, 200, 0.3f);
    check_boxes(1000, 0, 60, 0.5f);
    check_boxes(1000, 5, 100, 0.7f);
    check_boxes(2000, 80, 300, 0.1f);
    check_boxes(MAX_COUNT, 80, 300, 0.1f);
    check_boxes(MAX_COUNT, 0, 300, 0.3f);
    check_boxes(500, 3, 300, 0); // everything that touches
    check_boxes(500, 3, 300, 1); // nothing
}

// IoU of exactly the threshold keeps the box; copies of a box go.
static void edges(void) {
    static const float BOXES[] = {0, 0, 2, 2, /**/ 0, 0, 2, 1, /**/ 0, 0, 2, 2, /**/ 2, 0, 4, 2};
    memcpy(p.boxes, BOXES, sizeof BOXES);
    p.count = 4;
    p.grouped = false;
    p.threshold = 0.5f;
    EXPECT_INT(check_kept(10), 3);
    p.threshold = 0.4999f;
    EXPECT_INT(check_kept(10), 2);
}

// Boxes without area and boxes that are no boxes neither drop nor are dropped.
static void degenerate(void) {
    static const float BOXES[11][4] = {
        {1, 1, 1, 1},
        {1, 1, 1, 1},
        {3, 3, 2, 2}, // inverted, and then the same not
        {2, 2, 3, 3},
        {NAN, 0, 9, 9},
        {0, 0, 9, NAN},
        {2, 2, 3, 3},
        {-INFINITY, -INFINITY, INFINITY, INFINITY},
        {-3e38f, -3e38f, 3e38f, 3e38f},
        {2, 2, 2, 3},
        {5, 5, 8, 8},
    };
    struct indices kept = {.capacity = 11, .items = items};
    struct nn *nn = fresh_nn();
    nms_forward(nn, BOXES[0], NULL, 11, 0.1f, 11, &kept);
    EXPECT_INT(kept.count, 10);
    for (int32_t i = 0; i < 10; i++)
        EXPECT_INT(items[i], i < 6 ? i : i + 1); // only the second box from 2 to 3 goes
}

static void any_threads(void) {
    static int32_t first[MAX_COUNT];
    random_boxes(2000, 7, 150, 0.5f);
    for (int threads = 1; threads <= 4; threads++) {
        struct nn *nn = fresh_nn();
        nn->num_threads = threads;
        nn_begin(nn, NN_INFERENCE);
        struct indices kept = {.capacity = 600, .items = items};
        nms_forward(nn, p.boxes, p.groups, p.count, p.threshold, 600, &kept);
        if (threads == 1) memcpy(first, items, sizeof first);
        EXPECT_INT(kept.count, 600);
        EXPECT(memcmp(first, items, 600 * sizeof *items) == 0);
    }
}

static void plans(void) {
    struct nn *nn = NULL;
    struct error err;
    REQUIRE(nn_create(&nn, &(struct nn_options){.device = NN_PLAN}, &err) == STATUS_OK);
    struct indices kept = {.capacity = 10};
    nms_forward(nn, NULL, NULL, 1000, 0.5f, 10, &kept);
    EXPECT_INT(kept.count, 10);
    nms_forward(nn, NULL, NULL, 4, 0.5f, 10, &kept);
    EXPECT_INT(kept.count, 4);
    nn_fail(nn, STATUS_MEMORY, "full");
    nms_forward(nn, NULL, NULL, 4, 0.5f, 10, &kept);
    EXPECT_INT(kept.count, 0);
    nn_destroy(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"boxes", boxes},
                         {"edges", edges},
                         {"degenerate", degenerate},
                         {"any threads", any_threads},
                         {"plans", plans},
                         {0},
                     });
}
