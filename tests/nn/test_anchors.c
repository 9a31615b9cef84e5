// All anchors against their definition, position by position.
#include "nn/anchors/anchors.h"

#include "tests/nn/check_op.h"

enum { MAX_ANCHORS = 2000 };

// Cells of whole numbers, so that sums are exact.
static void make_level(struct nn *nn, struct proposal_level *level, int64_t images, int64_t h,
                       int64_t w, int64_t num_anchors, float stride) {
    *level = (struct proposal_level){.logits = nn_tensor(nn, images, h, w, num_anchors),
                                     .stride_x = stride,
                                     .stride_y = 3 * stride};
    for (int a = 0; a < num_anchors; a++)
        for (int corner = 0; corner < 4; corner++)
            level->cells[a][corner] = (float)((corner < 2 ? -1 : 1) * (4 * a + corner + 1));
}

static void check(int num_levels, int64_t num_anchors, const int64_t sizes[][2]) {
    static float got[4 * MAX_ANCHORS + 1];
    struct proposal_level levels[PROPOSALS_MAX_LEVELS];
    struct nn *nn = fresh_nn();
    struct error err;
    int64_t total = 0;
    for (int i = 0; i < num_levels; i++) {
        make_level(nn, &levels[i], 2, sizes[i][0], sizes[i][1], num_anchors, (float)(8 << i));
        total += sizes[i][0] * sizes[i][1] * num_anchors;
    }
    REQUIRE(total <= MAX_ANCHORS);
    got[4 * total] = -7;
    anchors_forward(nn, levels, num_levels, num_anchors, got);
    EXPECT_OK(nn_status(nn, &err), &err);
    int64_t num_wrong = 0;
    const float *at = got;
    for (int i = 0; i < num_levels; i++)
        for (int64_t y = 0; y < sizes[i][0]; y++)
            for (int64_t x = 0; x < sizes[i][1]; x++)
                for (int64_t a = 0; a < num_anchors; a++)
                    for (int corner = 0; corner < 4; corner++, at++) {
                        int64_t shift = corner % 2 ? 3 * y : x;
                        int64_t expected =
                            (shift << i) * 8 + (corner < 2 ? -1 : 1) * (4 * a + corner + 1);
                        num_wrong += *at != (float)expected;
                    }
    EXPECT_INT(num_wrong, 0);
    EXPECT_NEAR((double)got[4 * total], -7, 0);
}

static void levels(void) {
    check(1, 1, (const int64_t[][2]){{1, 1}});
    check(1, 16, (const int64_t[][2]){{5, 7}});
    check(5, 3, (const int64_t[][2]){{13, 17}, {7, 9}, {4, 5}, {2, 3}, {1, 2}});
    check(3, 2, (const int64_t[][2]){{0, 0}, {3, 4}, {0, 2}});
}

static void none(void) {
    struct proposal_level level;
    struct nn *nn = fresh_nn();
    struct error err;
    make_level(nn, &level, 1, 0, 0, 3, 8);
    anchors_forward(nn, &level, 1, 3, NULL);
    EXPECT_OK(nn_status(nn, &err), &err);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"levels", levels},
                         {"none", none},
                         {0},
                     });
}
