// data/rle.h against values of pycocotools 2.0.11 and against plain loops over pixels.
#include "data/rle.h"

#include <stdlib.h>

#include "base/random.h"
#include "tests/harness.h"

static struct arena arena;
static struct error err;

static struct rle from_string(const char *text, int32_t height, int32_t width) {
    struct rle rle = {0};
    enum status status =
        rle_from_string(&rle, text, (int64_t)strlen(text), height, width, &arena, &err);
    EXPECT_STATUS(status, STATUS_OK, &err);
    REQUIRE(status == STATUS_OK);
    return rle;
}

static struct rle from_counts(const int64_t *counts, int64_t num_counts, int32_t height,
                              int32_t width) {
    struct rle rle = {0};
    enum status status = rle_from_counts(&rle, counts, num_counts, height, width, &arena, &err);
    EXPECT_STATUS(status, STATUS_OK, &err);
    REQUIRE(status == STATUS_OK);
    return rle;
}

static void expect_string(const struct rle *rle, const char *expected) {
    struct output out;
    output_open_memory(&out);
    rle_write_string(rle, &out);
    EXPECT_OK(output_finish(&out, &err), &err);
    EXPECT_TEXT(out.data, expected);
    output_discard(&out);
}

static void expect_box(const struct rle *rle, double x, double y, double width, double height) {
    struct coco_box box = rle_box(rle);
    EXPECT_NEAR(box.x, x, 0);
    EXPECT_NEAR(box.y, y, 0);
    EXPECT_NEAR(box.width, width, 0);
    EXPECT_NEAR(box.height, height, 0);
}

static void expect_same(const struct rle *a, const struct rle *b) {
    EXPECT_INT(a->num_runs, b->num_runs);
    EXPECT(a->num_runs == b->num_runs &&
           memcmp(a->runs, b->runs, (size_t)a->num_runs * sizeof *a->runs) == 0);
}

static uint8_t *random_pixels(struct random *random, int32_t height, int32_t width) {
    int64_t num_pixels = (int64_t)height * width;
    uint8_t *mask = arena_alloc(&arena, num_pixels, 1);
    double density = random_uniform(random);
    for (int64_t i = 0; i < num_pixels; i++)
        mask[i] = random_uniform(random) < density;
    return mask;
}

static int32_t random_side(struct random *random) {
    return 1 + (int32_t)random_below(random, 40);
}

static void encodes(void) {
    static const uint8_t mask[4][5] = {
        {0, 0, 0, 0, 1}, {0, 1, 255, 0, 0}, {0, 0, 7, 0, 0}, {0, 0, 0, 0, 0}};
    struct rle rle;
    EXPECT_OK(rle_encode(&rle, mask[0], 4, 5, &arena, &err), &err);
    expect_string(&rle, "51312ON");
    expect_box(&rle, 1, 0, 4, 3);
    EXPECT_INT(rle_area(&rle), 4);

    uint8_t all[12];
    memset(all, 1, sizeof all);
    EXPECT_OK(rle_encode(&rle, all, 3, 4, &arena, &err), &err);
    expect_string(&rle, "0<");
    memset(all, 0, sizeof all);
    EXPECT_OK(rle_encode(&rle, all, 3, 4, &arena, &err), &err);
    EXPECT_INT(rle.num_runs, 1);
    EXPECT_INT(rle.runs[0], 12);
}

static void decodes_what_it_encodes(void) {
    struct random random = random_stream(1, 0);
    for (int i = 0; i < 500; i++) {
        int32_t height = random_side(&random);
        int32_t width = random_side(&random);
        uint8_t *mask = random_pixels(&random, height, width);
        uint8_t *decoded = arena_alloc(&arena, (int64_t)height * width, 1);
        struct rle rle;
        EXPECT_OK(rle_encode(&rle, mask, height, width, &arena, &err), &err);
        for (int64_t j = 1; j < rle.num_runs; j++)
            EXPECT(rle.runs[j] > 0);
        rle_decode(&rle, decoded);
        EXPECT(memcmp(mask, decoded, (size_t)height * (size_t)width) == 0);
    }
}

// COCO's code looks at the remainder of positions by the height, so runs that end just at the end
// of a column, or begin there, are the cases to get wrong.
static void finds_boxes(void) {
    struct rle rle = from_counts((int64_t[]){3, 2, 15}, 3, 4, 5);
    expect_box(&rle, 0, 0, 2, 4);
    rle = from_counts((int64_t[]){4, 4, 12}, 3, 4, 5);
    expect_box(&rle, 1, 0, 1, 4);
    rle = from_counts((int64_t[]){100000, 7, 300000, 1, 79992}, 5, 600, 800);
    expect_box(&rle, 166, 400, 501, 8);
    EXPECT_INT(rle_area(&rle), 8);
    rle = from_counts((int64_t[]){480000}, 1, 600, 800);
    expect_box(&rle, 0, 0, 0, 0);
    rle = from_counts((int64_t[]){20, 0}, 2, 4, 5);
    expect_box(&rle, 0, 0, 0, 0);
}

static void finds_boxes_of_random_masks(void) {
    struct random random = random_stream(2, 0);
    for (int i = 0; i < 500; i++) {
        int32_t height = random_side(&random);
        int32_t width = random_side(&random);
        uint8_t *mask = random_pixels(&random, height, width);
        int32_t left = width, right = -1, top = height, bottom = -1;
        for (int32_t y = 0; y < height; y++) {
            for (int32_t x = 0; x < width; x++) {
                if (!mask[y * width + x]) continue;
                left = x < left ? x : left;
                right = x > right ? x : right;
                top = y < top ? y : top;
                bottom = y;
            }
        }
        struct rle rle;
        EXPECT_OK(rle_encode(&rle, mask, height, width, &arena, &err), &err);
        if (right < 0)
            expect_box(&rle, 0, 0, 0, 0);
        else
            expect_box(&rle, left, top, right - left + 1, bottom - top + 1);
    }
}

static void merges_and_intersects_like_pixels(void) {
    enum { MAX_MASKS = 7 };
    struct random random = random_stream(3, 0);
    for (int i = 0; i < 500; i++) {
        int32_t height = random_side(&random);
        int32_t width = random_side(&random);
        int64_t num_pixels = (int64_t)height * width;
        int64_t count = 1 + random_below(&random, MAX_MASKS);
        uint8_t *either = arena_alloc_zero(&arena, num_pixels, 1);
        uint8_t *all = arena_alloc(&arena, num_pixels, 1);
        memset(all, 1, (size_t)num_pixels);
        struct rle masks[MAX_MASKS];
        for (int64_t j = 0; j < count; j++) {
            uint8_t *mask = random_pixels(&random, height, width);
            EXPECT_OK(rle_encode(&masks[j], mask, height, width, &arena, &err), &err);
            for (int64_t k = 0; k < num_pixels; k++) {
                either[k] |= mask[k];
                all[k] &= mask[k];
            }
        }
        struct rle expected, merged;
        EXPECT_OK(rle_encode(&expected, either, height, width, &arena, &err), &err);
        EXPECT_OK(rle_merge(&merged, masks, count, false, &arena, &err), &err);
        expect_same(&merged, &expected);
        EXPECT_OK(rle_encode(&expected, all, height, width, &arena, &err), &err);
        EXPECT_OK(rle_merge(&merged, masks, count, true, &arena, &err), &err);
        expect_same(&merged, &expected);
        EXPECT_OK(rle_merge(&merged, masks, count > 1 ? 2 : 1, true, &arena, &err), &err);
        EXPECT_INT(rle_intersection_area(&masks[0], &masks[count > 1]), rle_area(&merged));
    }
}

static void overlaps(void) {
    struct rle square = from_string("=570000000o2", 12, 14);
    struct rle triangle = from_string("d11;1O1O2N1OO1NR1", 12, 14);
    EXPECT_INT(rle_area(&square), 25);
    EXPECT_INT(rle_area(&triangle), 25);
    EXPECT_NEAR(rle_iou(&square, &triangle, false), 3.0 / 47, 0);
    EXPECT_NEAR(rle_iou(&square, &triangle, true), 3.0 / 25, 0);
    EXPECT_NEAR(rle_iou(&square, &square, false), 1, 0);
    struct rle merged;
    struct rle both[] = {square, triangle};
    EXPECT_OK(rle_merge(&merged, both, 2, false, &arena, &err), &err);
    expect_string(&merged, "=5700000003NO2N1OO1NR1");
    EXPECT_OK(rle_merge(&merged, both, 2, true, &arena, &err), &err);
    expect_string(&merged, "d11;1k2");
}

static void overlaps_nothing(void) {
    struct rle empty = from_counts((int64_t[]){168}, 1, 12, 14);
    struct rle square = from_string("=570000000o2", 12, 14);
    struct rle corner = from_counts((int64_t[]){0, 1, 167}, 3, 12, 14);
    EXPECT_NEAR(rle_iou(&empty, &square, false), 0, 0);
    EXPECT_NEAR(rle_iou(&empty, &empty, true), 0, 0);
    EXPECT_NEAR(rle_iou(&corner, &square, false), 0, 0);
    struct rle other_size = from_counts((int64_t[]){14, 40, 128}, 3, 13, 14);
    EXPECT_NEAR(rle_iou(&square, &other_size, false), -1, 0);
    struct rle far_corner = from_counts((int64_t[]){0, 1, 181}, 3, 13, 14);
    EXPECT_NEAR(rle_iou(&square, &far_corner, false), 0, 0);
}

static void overlaps_boxes(void) {
    struct coco_box detection = {1.5, 2, 10, 7.25};
    struct coco_box truth = {4, 5, 9.5, 9.5};
    EXPECT_NEAR(box_iou(&detection, &truth, false), 0.24355301, 5e-9);
    EXPECT_NEAR(box_iou(&detection, &truth, true), 0.43965517, 5e-9);
    truth.x = 11.5; // touches
    EXPECT_NEAR(box_iou(&detection, &truth, false), 0, 0);
}

// Runs of length 0 amid others split nothing.
static void tolerates_empty_runs(void) {
    struct rle split = from_counts((int64_t[]){2, 3, 0, 2, 5, 0, 4, 4}, 8, 4, 5);
    struct rle plain = from_counts((int64_t[]){2, 5, 9, 4}, 4, 4, 5);
    EXPECT_INT(rle_area(&split), 9);
    EXPECT_INT(rle_intersection_area(&split, &split), 9);
    EXPECT_INT(rle_intersection_area(&split, &plain), 9);
    EXPECT_NEAR(rle_iou(&split, &plain, false), 1, 0);
    struct rle merged;
    EXPECT_OK(rle_merge(&merged, (struct rle[]){split, split}, 2, true, &arena, &err), &err);
    expect_same(&merged, &plain);
    uint8_t pixels[2][20];
    rle_decode(&split, pixels[0]);
    rle_decode(&plain, pixels[1]);
    EXPECT(memcmp(pixels[0], pixels[1], sizeof pixels[0]) == 0);
}

static void reads_strings(void) {
    struct rle rle = from_string("e06410O01OO1Lf0", 10, 10);
    static const uint32_t runs[] = {21, 6, 4, 7, 4, 6, 4, 7, 3, 6, 4, 2, 26};
    EXPECT_INT(rle.num_runs, 13);
    EXPECT(memcmp(rle.runs, runs, sizeof runs) == 0);
    expect_string(&rle, "e06410O01OO1Lf0");
    rle = from_string("PeQ37PoT9JhTYI", 600, 800);
    EXPECT_INT(rle.num_runs, 5);
    EXPECT_INT(rle.runs[2], 300000);
    EXPECT_INT(rle.runs[4], 79992);
    // Groups that add nothing are unusual, not wrong.
    rle = from_string("ePP06410O01OO1Lf0", 10, 10);
    EXPECT_INT(rle.num_runs, 13);
    EXPECT_INT(rle.runs[0], 21);
}

static void writes_what_it_reads(void) {
    struct random random = random_stream(4, 0);
    for (int i = 0; i < 500; i++) {
        uint32_t runs[200];
        struct rle rle = {RLE_MAX_SIDE, RLE_MAX_SIDE, 1, runs};
        uint32_t left = (uint32_t)RLE_MAX_SIDE * RLE_MAX_SIDE;
        int64_t bound = INT64_C(1) << random_below(&random, 33);
        for (; rle.num_runs < 200; rle.num_runs++) {
            uint32_t run = (uint32_t)random_below(&random, bound);
            if (run > left) break;
            runs[rle.num_runs - 1] = run;
            left -= run;
        }
        runs[rle.num_runs - 1] = left;
        struct output out;
        output_open_memory(&out);
        rle_write_string(&rle, &out);
        struct rle read = from_string(out.data, RLE_MAX_SIDE, RLE_MAX_SIDE);
        expect_same(&read, &rle);
        output_discard(&out);
    }
}

static void expect_wrong_string(const char *text, int32_t height, int32_t width,
                                const char *message) {
    struct rle rle;
    EXPECT_STATUS(rle_from_string(&rle, text, (int64_t)strlen(text), height, width, &arena, &err),
                  STATUS_DATA, &err);
    EXPECT_TEXT(err.message, message);
}

static void refuses_wrong_strings(void) {
    expect_wrong_string("e0641", 10, 10,
                        "the runs of the mask add up to 38 pixels, expected 10 x 10 = 100");
    expect_wrong_string("", 2, 3, "the runs of the mask add up to 0 pixels, expected 2 x 3 = 6");
    expect_wrong_string("e06 41", 10, 10,
                        "character 3 of the mask string is 0x20, expected '0' to 'o'");
    expect_wrong_string("12p", 2, 3, "character 2 of the mask string is 0x70, expected '0' to 'o'");
    expect_wrong_string("1\xff", 2, 3,
                        "character 1 of the mask string is 0xff, expected '0' to 'o'");
    expect_wrong_string("12e", 2, 3, "the mask string ends inside run 2");
    expect_wrong_string("PPPPPPP", 2, 3, "the mask string ends inside run 0");
    expect_wrong_string("PPPPPPPP0", 2, 3, "run 0 of the mask string has more than 7 characters");
    expect_wrong_string("1O", 2, 3, "run 1 of the mask string is -1, expected 0 to 4294967295");
    expect_wrong_string("111N", 2, 3, "run 3 of the mask string is -1, expected 0 to 4294967295");
    expect_wrong_string("PPPPPP4", 2, 3,
                        "run 0 of the mask string is 4294967296, expected 0 to 4294967295");
    expect_wrong_string("6", 0, 3,
                        "the mask's size is 0 x 3, expected sides between 1 and 65535 pixels");
    expect_wrong_string("6", 65536, 1,
                        "the mask's size is 65536 x 1, expected sides between 1 and 65535 pixels");
}

static void refuses_wrong_counts(void) {
    struct rle rle;
    EXPECT_STATUS(rle_from_counts(&rle, (int64_t[]){3, -1, 4}, 3, 2, 3, &arena, &err), STATUS_DATA,
                  &err);
    EXPECT_TEXT(err.message, "run 1 of the mask is -1, expected 0 to 4294967295");
    EXPECT_STATUS(rle_from_counts(&rle, (int64_t[]){INT64_MAX, INT64_MAX}, 2, 2, 3, &arena, &err),
                  STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "run 0 of the mask is 9223372036854775807");
    EXPECT_STATUS(rle_from_counts(&rle, (int64_t[]){3, 4}, 2, 2, 3, &arena, &err), STATUS_DATA,
                  &err);
    EXPECT_TEXT(err.message, "the runs of the mask add up to 7 pixels, expected 2 x 3 = 6");
    EXPECT_STATUS(rle_from_counts(&rle, NULL, 0, 2, 3, &arena, &err), STATUS_DATA, &err);
}

static void refuses_other_sizes(void) {
    struct rle masks[] = {from_counts((int64_t[]){6}, 1, 2, 3),
                          from_counts((int64_t[]){6}, 1, 3, 2)};
    struct rle merged;
    EXPECT_STATUS(rle_merge(&merged, masks, 2, false, &arena, &err), STATUS_DATA, &err);
    EXPECT_TEXT(err.message, "mask 1 has the size 3 x 2, expected 2 x 3");
}

static void reports_exhausted_memory(void) {
    struct arena small;
    arena_init(&small, 64, 4096);
    char text[8192];
    memset(text, '0', sizeof text);
    struct rle rle;
    EXPECT_STATUS(rle_from_string(&rle, text, sizeof text, 2, 3, &small, &err), STATUS_MEMORY,
                  &err);
    uint8_t checkered[100 * 100];
    for (int i = 0; i < 100 * 100; i++)
        checkered[i] = (i + i / 100) % 2 == 1;
    EXPECT_STATUS(rle_encode(&rle, checkered, 100, 100, &small, &err), STATUS_MEMORY, &err);
    arena_destroy(&small);
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 16, 0);
    int status =
        run_cases(argc, argv,
                  (struct test_case[]){
                      {"encodes", encodes},
                      {"decodes_what_it_encodes", decodes_what_it_encodes},
                      {"finds_boxes", finds_boxes},
                      {"finds_boxes_of_random_masks", finds_boxes_of_random_masks},
                      {"merges_and_intersects_like_pixels", merges_and_intersects_like_pixels},
                      {"overlaps", overlaps},
                      {"overlaps_nothing", overlaps_nothing},
                      {"overlaps_boxes", overlaps_boxes},
                      {"tolerates_empty_runs", tolerates_empty_runs},
                      {"reads_strings", reads_strings},
                      {"writes_what_it_reads", writes_what_it_reads},
                      {"refuses_wrong_strings", refuses_wrong_strings},
                      {"refuses_wrong_counts", refuses_wrong_counts},
                      {"refuses_other_sizes", refuses_other_sizes},
                      {"reports_exhausted_memory", reports_exhausted_memory},
                      {0}});
    arena_destroy(&arena);
    return status;
}
