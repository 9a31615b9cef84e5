// Regions are the candidates that are not ignored, in order.
#include "nn/regions/regions.h"

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { IMAGES = 3, EACH = 530, TRUTHS = 20, MOST = 12, PLACES = EACH + MOST };

static float boxes[4 * IMAGES * EACH], truth_boxes[4 * TRUTHS];
static int32_t labels[TRUTHS], counts[IMAGES], matches[IMAGES * PLACES];
static const int32_t begins[IMAGES + 1] = {0, 8, 8, TRUTHS};
static struct sampled sampled[IMAGES];

static void make(struct region_choice *choice, bool with_truths) {
    struct random random = random_stream(5, 1);
    *choice = (struct region_choice){
        .candidates = {boxes, counts, EACH, false, with_truths},
        .truths = {IMAGES, TRUTHS, MOST, begins, truth_boxes},
        .labels = labels,
        .matches = matches,
        .sampled = sampled,
    };
    int64_t places = candidates_of_image(&choice->candidates, &choice->truths);
    fill(boxes, 4 * IMAGES * EACH, 1, 0, 100);
    fill(truth_boxes, 4 * TRUTHS, 2, 0, 100);
    for (int32_t i = 0; i < TRUTHS; i++)
        labels[i] = 1 + i % 7;
    for (int64_t image = 0; image < IMAGES; image++) {
        counts[image] = (int32_t)(image == 1 ? 3 : EACH - image);
        sampled[image] = (struct sampled){0, 0};
        int64_t num_truths = begins[image + 1] - begins[image];
        for (int64_t i = 0; i < places; i++) {
            int32_t *match = &matches[image * places + i];
            bool there = i < EACH ? i < counts[image] : i - EACH < num_truths;
            int64_t kind = there ? random_below(&random, 4) : 0;
            *match = MATCH_IGNORED;
            if (kind == 1) *match = MATCH_BACKGROUND;
            if (kind == 2 && num_truths)
                *match = begins[image] + (int32_t)random_below(&random, num_truths);
            sampled[image].objects += *match >= 0;
            sampled[image].backgrounds += *match == MATCH_BACKGROUND;
        }
    }
}

// The capacity may be more than there is.
struct lists {
    struct regions regions;
    float boxes[4 * IMAGES * PLACES];
    int32_t images[IMAGES * PLACES], labels[IMAGES * PLACES], truths[IMAGES * PLACES];
};

static struct regions *init(struct lists *lists) {
    lists->regions = (struct regions){
        .list = {.capacity = IMAGES * PLACES,
                 .boxes = lists->boxes,
                 .images = lists->images,
                 .labels = lists->labels},
        .truths = lists->truths,
    };
    return &lists->regions;
}

static int64_t expect_regions(const struct regions *got, const struct region_choice *choice,
                              bool objects_only) {
    int64_t places = candidates_of_image(&choice->candidates, &choice->truths);
    int64_t at = 0;
    int64_t num_wrong = 0;
    for (int64_t image = 0; image < IMAGES; image++) {
        for (int64_t i = 0; i < places; i++) {
            int32_t match = matches[image * places + i];
            if (match == MATCH_IGNORED || (objects_only && match < 0)) continue;
            const float *box = i < EACH ? boxes + 4 * (image * EACH + i)
                                        : truth_boxes + 4 * (begins[image] + i - EACH);
            num_wrong += !equal_bits(got->list.boxes + 4 * at, box, 4 * sizeof *box);
            num_wrong += got->list.images[at] != image || got->truths[at] != match;
            num_wrong += got->list.labels[at] != (match < 0 ? 0 : labels[match]);
            at++;
        }
    }
    EXPECT_INT(num_wrong, 0);
    return at;
}

static void check(bool with_truths) {
    static struct lists all, objects;
    struct region_choice choice;
    struct region_counts got = {-1, -1};
    struct nn *nn = fresh_nn();
    struct error err;
    make(&choice, with_truths);
    regions_forward(nn, &choice, init(&all), init(&objects), &got);
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT_INT(got.all, expect_regions(&all.regions, &choice, false));
    EXPECT_INT(got.objects, expect_regions(&objects.regions, &choice, true));
    EXPECT(got.objects > 50 && got.all > 2 * got.objects - 50);
}

static void in_order(void) {
    check(true);
    check(false);
}

static void no_images(void) {
    static struct lists all, objects;
    struct region_counts got = {-1, -1};
    struct nn *nn = fresh_nn();
    struct error err;
    regions_forward(nn, &(struct region_choice){.truths = {.begins = begins}}, init(&all),
                    init(&objects), &got);
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT_INT(got.all, 0);
    EXPECT_INT(got.objects, 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"in order", in_order},
                         {"no images", no_images},
                         {0},
                     });
}
