// Mask targets from polygons against detectron2's rule, and each region gets its own truth.
#include "base/output.h"
#include "detector/object_masks.h"
#include "tests/harness.h"

enum { MAX_PARTS = 3, MAX_NUMBERS = 80, MAX_SIZE = 56 };

struct mask_target_case {
    int64_t size;
    float box[4];
    int64_t num_parts;
    int64_t part_points[MAX_PARTS];
    double points[MAX_NUMBERS]; // of all parts, one after another
    const char *target;         // as COCO's string
};

#include "tests/detector/mask_target_cases.h"

enum { NUM_CASES = sizeof CASES / sizeof CASES[0] };

static struct arena arena;

static struct nn *begin(void) {
    struct nn *nn = NULL;
    struct error err;
    arena_destroy(&arena);
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(nn_create(&nn, &(struct nn_options){.num_threads = 1}, &err), &err);
    REQUIRE(nn != NULL);
    nn_begin(nn, NN_TRAINING);
    return nn;
}

static struct object_mask mask_of(const struct mask_target_case *c, struct polygon *parts) {
    const double *points = c->points;
    for (int64_t i = 0; i < c->num_parts; i++) {
        parts[i] = (struct polygon){points, c->part_points[i]};
        points += 2 * c->part_points[i];
    }
    return (struct object_mask){.polygons = parts, .num_polygons = c->num_parts};
}

static void make_targets(struct nn *nn, const struct object_mask *masks, int64_t num_masks,
                         const struct mask_regions *regions, int64_t size, bool aligned,
                         float *targets) {
    struct packed_masks packed;
    object_masks_pack(nn, masks, num_masks, &packed);
    mask_targets_forward(nn, &packed, regions, size, aligned, targets);
}

static void expect_target(const float *target, const struct mask_target_case *c) {
    uint8_t pixels[MAX_SIZE * MAX_SIZE];
    struct rle rle;
    struct output out;
    struct error err;
    int64_t num_odd = 0;
    for (int64_t i = 0; i < c->size * c->size; i++) {
        pixels[i] = target[i] > 0;
        num_odd += target[i] != 0 && target[i] != 1;
    }
    EXPECT_INT(num_odd, 0);
    EXPECT_OK(rle_encode(&rle, pixels, (int32_t)c->size, (int32_t)c->size, &arena, &err), &err);
    output_open_memory(&out);
    rle_write_string(&rle, &out);
    EXPECT_OK(output_finish(&out, &err), &err);
    EXPECT_TEXT(out.data, c->target);
    output_discard(&out);
}

static void against_detectron2(void) {
    struct nn *nn = begin();
    struct error err;
    for (int i = 0; i < NUM_CASES; i++) {
        struct mask_target_case c = CASES[i];
        struct polygon parts[MAX_PARTS];
        struct object_mask mask = mask_of(&c, parts);
        const struct mask_regions regions = {1, c.box, &(int32_t){0}};
        float target[MAX_SIZE * MAX_SIZE];
        make_targets(nn, &mask, 1, &regions, c.size, i % 2 == 0, target);
        expect_target(target, &c);
    }
    EXPECT_OK(nn_status(nn, &err), &err);
    nn_destroy(nn);
}

// Objects of both kinds, and several regions of some, out of order.
static void mixed(void) {
    enum { OBJECTS = 5, REGIONS = 7, SIZE = 28, PIXELS = SIZE * SIZE, FRAME = 800 };
    static const int32_t truths[REGIONS] = {4, 1, 0, 3, 1, 4, 2};
    // Object 1 is a mask of ones, object 3 one of zeros; the others are cases of this size.
    static const int cases[OBJECTS] = {0, -1, 2, -1, 6};
    const uint32_t runs[2] = {0, FRAME * FRAME};
    struct object_mask masks[OBJECTS];
    struct polygon parts[OBJECTS][MAX_PARTS];
    float boxes[4 * REGIONS];
    float targets[REGIONS * PIXELS];
    const struct mask_regions regions = {REGIONS, boxes, truths};
    struct nn *nn = begin();
    struct error err;
    for (int i = 0; i < OBJECTS; i++) {
        if (cases[i] >= 0) {
            EXPECT_INT(CASES[cases[i]].size, SIZE);
            masks[i] = mask_of(&CASES[cases[i]], parts[i]);
        } else {
            masks[i] = (struct object_mask){.rle = {FRAME, FRAME, i == 1 ? 2 : 1, runs + (i == 3)}};
        }
    }
    for (int i = 0; i < REGIONS; i++) {
        const float inside[4] = {10, 20, 300, 90};
        int which = cases[truths[i]];
        memcpy(boxes + 4 * i, which >= 0 ? CASES[which].box : inside, sizeof inside);
    }
    make_targets(nn, masks, OBJECTS, &regions, SIZE, true, targets);
    EXPECT_OK(nn_status(nn, &err), &err);
    for (int i = 0; i < REGIONS; i++) {
        const float *target = targets + i * PIXELS;
        int64_t num_wrong = 0;
        if (cases[truths[i]] >= 0) {
            expect_target(target, &CASES[cases[truths[i]]]);
            continue;
        }
        for (int j = 0; j < PIXELS; j++)
            num_wrong += target[j] != (truths[i] == 1 ? 1.0f : 0.0f);
        EXPECT_INT(num_wrong, 0);
    }
    nn_destroy(nn);
}

// A polygon may reach as far as it likes: the region is within it.
static void far_corners(void) {
    enum { SIZE = 28 };
    static const double points[] = {-1e12, -1e12, 1e12, -1e12, 1e12, 1e12, -1e12, 1e12};
    const struct polygon square = {points, 4};
    const struct object_mask mask = {.polygons = &square, .num_polygons = 1};
    float box[4] = {10, 10, 10.5f, 11};
    const struct mask_regions regions = {1, box, &(int32_t){0}};
    float target[SIZE * SIZE];
    struct nn *nn = begin();
    struct error err;
    int64_t num_set = 0;
    make_targets(nn, &mask, 1, &regions, SIZE, true, target);
    EXPECT_OK(nn_status(nn, &err), &err);
    for (int i = 0; i < SIZE * SIZE; i++)
        num_set += target[i] == 1;
    EXPECT_INT(num_set, SIZE * SIZE);
    nn_destroy(nn);
}

int main(int argc, char **argv) {
    int status = run_cases(argc, argv,
                           (struct test_case[]){
                               {"against detectron2", against_detectron2},
                               {"mixed", mixed},
                               {"far corners", far_corners},
                               {0},
                           });
    arena_destroy(&arena);
    return status;
}
