#include "nn/top_k/top_k.h"

#include <math.h>

#include "tests/nn/check_op.h"

enum { MAX_COUNT = 9000 };

static bool before(const float *scores, int32_t a, int32_t b) {
    if (isnan(scores[a]) || isnan(scores[b]))
        return isnan(scores[a]) && isnan(scores[b]) ? a < b : isnan(scores[b]);
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
}

// Insertion sort of all.
static void sort_all(const float *scores, int64_t count, int32_t *order) {
    for (int64_t i = 0; i < count; i++) {
        int64_t at = i;
        for (; at > 0 && before(scores, (int32_t)i, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = (int32_t)i;
    }
}

static void check_scores(const float *scores, int64_t count, int64_t k) {
    static int32_t order[MAX_COUNT];
    static int32_t items[MAX_COUNT + 1];
    sort_all(scores, count, order);
    int64_t taken = k < count ? k : count;
    struct indices got = {.capacity = taken, .items = items};
    items[taken] = -7;
    struct nn *nn = fresh_nn();
    top_k_forward(nn, scores, count, k, &got);
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT_INT(got.count, taken);
    EXPECT(memcmp(items, order, (size_t)taken * sizeof *items) == 0);
    EXPECT_INT(items[taken], -7);
}

static void check_count(int64_t count, double low, double high) {
    static float scores[MAX_COUNT];
    fill(scores, count, (uint64_t)count, low, high);
    check_scores(scores, count, 0);
    check_scores(scores, count, 1);
    check_scores(scores, count, count / 3);
    check_scores(scores, count, count - (count > 0));
    check_scores(scores, count, count);
    check_scores(scores, count, count + 10);
}

static void counts(void) {
    check_count(0, 0, 1);
    check_count(1, 0, 1);
    check_count(2, -1, 0);
    check_count(100, -1, 1);
    check_count(3000, -10, 10);
    check_count(MAX_COUNT, -10, 10);
    check_count(MAX_COUNT, 0.5, 0.500001); // many alike
}

static void ties(void) {
    float scores[500];
    fill(scores, 500, 1, 0, 3);
    for (int i = 0; i < 500; i++)
        scores[i] = floorf(scores[i]) - 1;
    for (int64_t k = 0; k <= 500; k += 25)
        check_scores(scores, 500, k);
}

static void specials(void) {
    const float scores[] = {NAN,   0.0f,   -0.0f,    INFINITY,  -INFINITY, -NAN, 1e-45f,    -1e-45f,
                            3e38f, -3e38f, INFINITY, -INFINITY, -0.0f,     0.0f, -INFINITY, NAN};
    for (int64_t k = 0; k <= 16; k++)
        check_scores(scores, 16, k);
}

static void plans(void) {
    struct nn *nn = NULL;
    struct error err;
    REQUIRE(nn_create(&nn, &(struct nn_options){.device = NN_PLAN}, &err) == STATUS_OK);
    struct indices out = {.capacity = 10};
    top_k_forward(nn, NULL, 1000, 10, &out);
    EXPECT_INT(out.count, 10);
    top_k_forward(nn, NULL, 4, 10, &out);
    EXPECT_INT(out.count, 4);
    nn_fail(nn, STATUS_MEMORY, "full");
    top_k_forward(nn, NULL, 4, 10, &out);
    EXPECT_INT(out.count, 0);
    nn_destroy(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"counts", counts},
                         {"ties", ties},
                         {"specials", specials},
                         {"plans", plans},
                         {0},
                     });
}
