// data/polygon.h against masks drawn by pycocotools 2.0.11 (frPyObjects, merge). Many more shapes
// are compared by tests/oracle/rle_shapes.py.
#include "data/polygon.h"

#include <math.h>

#include "base/random.h"
#include "tests/harness.h"

static struct arena arena;
static struct error err;

static void expect_string(const struct rle *rle, const char *expected) {
    struct output out;
    output_open_memory(&out);
    rle_write_string(rle, &out);
    EXPECT_OK(output_finish(&out, &err), &err);
    EXPECT_TEXT(out.data, expected);
    output_discard(&out);
}

static void expect_drawn(const double *points, int64_t num_points, int32_t height, int32_t width,
                         const char *expected) {
    struct polygon polygon = {points, num_points};
    struct rle rle = {0};
    enum status status = polygon_to_rle(&rle, &polygon, height, width, &arena, &err);
    EXPECT_STATUS(status, STATUS_OK, &err);
    if (status == STATUS_OK) expect_string(&rle, expected);
}

#define POINTS(...)                                                                                \
    (double[]){__VA_ARGS__}, (int64_t)(sizeof(double[]){__VA_ARGS__} / (2 * sizeof(double)))

static void draws_like_coco(void) {
    expect_drawn(POINTS(2.3, 1.2, 7.8, 2.5, 6.1, 8.9, 1.5, 6.6), 10, 10, "e06410O01OO1Lf0");
    expect_drawn(POINTS(0, 0, 10, 0, 10, 10, 0, 10), 20, 30, "0::00000000000000000`<");
    expect_drawn(POINTS(0.5, 0.5, 5.5, 0.5, 5.5, 5.5, 0.5, 5.5), 8, 8, "9530000000?");
    expect_drawn(POINTS(1, 1, 11, 11, 11, 1, 1, 11), 12, 12, "=94N2N2N2N10O2N2N2N2:");
    expect_drawn(POINTS(10, 0.5, 14, 18, 1, 6, 19, 6, 5, 18), 20, 20,
                 "^11c01O1O1EM34IO7OJ1>NF2:OFO4OJ357OJLL437O1O1OS1");
}

static void draws_beyond_the_canvas(void) {
    expect_drawn(POINTS(-5, -5, 50, -5, 50, 50, -5, 50), 20, 30, "0hb0");
    expect_drawn(POINTS(-100000.25, -50000, 100000, 40, 12.5, 100000.75), 40, 50, "0`n1");
    expect_drawn(POINTS(-9, 2, -3, 2, -3, 8, -9, 8), 12, 12, "`4");
    expect_drawn(POINTS(3.1, -20, 4.7, 40, 9.3, -33.3), 16, 16, "P2]1c4");
    expect_drawn(POINTS(2, 3, 2, 16, 9, 16, 9, 3), 16, 12, "S1=300000000000]1");
}

static void draws_nothing(void) {
    expect_drawn(POINTS(1, 1, 9, 9, 1, 1), 12, 12, "`4");
    expect_drawn(POINTS(3, 3, 3, 3, 3, 3), 12, 12, "`4");
    expect_drawn(POINTS(3, 3), 12, 12, "`4");
}

static void draws_parts(void) {
    struct polygon overlapping[] = {{POINTS(1, 1, 6, 1, 6, 6, 1, 6)},
                                    {POINTS(4, 4, 11.3, 4.2, 9, 10.7)}};
    struct rle rle;
    EXPECT_OK(polygons_to_rle(&rle, overlapping, 2, 12, 14, &arena, &err), &err);
    expect_string(&rle, "=5700000003NO2N1OO1NR1");
    struct polygon apart[] = {{POINTS(1, 1, 3, 1, 3, 3, 1, 3)},
                              {POINTS(8, 8, 10, 8, 10, 11, 8, 11)},
                              {POINTS(1, 8, 3, 8, 3, 10)}};
    EXPECT_OK(polygons_to_rle(&rle, apart, 3, 14, 14, &arena, &err), &err);
    expect_string(&rle, "?2<0IO^22hM0`1");
    EXPECT_INT(rle_area(&rle), 11);
    EXPECT_OK(polygons_to_rle(&rle, apart, 1, 14, 14, &arena, &err), &err);
    EXPECT_INT(rle_area(&rle), 4);
}

static void draws_boxes(void) {
    struct rle rle;
    EXPECT_OK(box_to_rle(&rle, &(struct coco_box){2.5, 3.25, 4.5, 5}, 12, 12, &arena, &err), &err);
    expect_string(&rle, "W15700000i1");
    EXPECT_OK(box_to_rle(&rle, &(struct coco_box){-3, -2, 8.2, 30}, 12, 12, &arena, &err), &err);
    expect_string(&rle, "0l1d2");
    EXPECT_OK(box_to_rle(&rle, &(struct coco_box){3, 3, 0, 4}, 12, 12, &arena, &err), &err);
    expect_string(&rle, "`4");
}

// Where an outline starts and which way it runs is no matter.
static void ignores_the_order_of_points(void) {
    struct random random = random_stream(1, 0);
    for (int i = 0; i < 500; i++) {
        enum { COUNT = 9 };
        double points[2][2 * COUNT];
        int64_t first = random_below(&random, COUNT);
        for (int64_t j = 0; j < COUNT; j++) {
            int64_t other = (first + COUNT - j) % COUNT;
            points[1][2 * other] = points[0][2 * j] = random_between(&random, -10, 60);
            points[1][2 * other + 1] = points[0][2 * j + 1] = random_between(&random, -10, 60);
        }
        struct rle rle[2];
        for (int j = 0; j < 2; j++)
            EXPECT_OK(
                polygon_to_rle(&rle[j], &(struct polygon){points[j], COUNT}, 50, 50, &arena, &err),
                &err);
        EXPECT_INT(rle[0].num_runs, rle[1].num_runs);
        EXPECT(memcmp(rle[0].runs, rle[1].runs, (size_t)rle[0].num_runs * 4) == 0);
    }
}

static void refuses_wrong_points(void) {
    static const double wrong[] = {(double)NAN, HUGE_VAL, -HUGE_VAL, 1e300, -16777217, 16777216.5};
    struct rle rle;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double points[] = {1, 2, 3, wrong[i], 5, 6};
        EXPECT_STATUS(polygon_to_rle(&rle, &(struct polygon){points, 3}, 10, 10, &arena, &err),
                      STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, "point 1 of the polygon is (3, ");
        EXPECT_CONTAINS(err.message, "), expected coordinates within +-16777216");
    }
    double corner[] = {-16777216, 16777216, 16777216, 16777216, 16777216, -16777216};
    expect_drawn(corner, 3, 10, 10, "0T3");
    EXPECT_STATUS(polygon_to_rle(&rle, &(struct polygon){NULL, 0}, 10, 10, &arena, &err),
                  STATUS_DATA, &err);
    EXPECT_TEXT(err.message, "the polygon has no points");
    EXPECT_STATUS(polygons_to_rle(&rle, NULL, 0, 10, 10, &arena, &err), STATUS_DATA, &err);
    EXPECT_TEXT(err.message, "the object has no polygons");
    EXPECT_STATUS(polygon_to_rle(&rle, &(struct polygon){corner, 3}, 10, 0, &arena, &err),
                  STATUS_DATA, &err);
    struct polygon parts[] = {{corner, 3}, {(double[]){(double)NAN, 0}, 1}};
    EXPECT_STATUS(polygons_to_rle(&rle, parts, 2, 10, 10, &arena, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "part 1: point 0 of the polygon is (");
    EXPECT_STATUS(box_to_rle(&rle, &(struct coco_box){1, 1, HUGE_VAL, 1}, 10, 10, &arena, &err),
                  STATUS_DATA, &err);
}

// A zigzag over a wide canvas asks for memory by its number of points times the width.
static void refuses_too_many_crossings(void) {
    enum { COUNT = 1100 };
    double points[2 * COUNT];
    for (int i = 0; i < COUNT; i++) {
        points[2 * i] = i % 2 ? RLE_MAX_SIDE : 0;
        points[2 * i + 1] = i;
    }
    struct rle rle;
    EXPECT_STATUS(
        polygon_to_rle(&rle, &(struct polygon){points, COUNT}, COUNT, RLE_MAX_SIDE, &arena, &err),
        STATUS_DATA, &err);
    EXPECT_TEXT(err.message, "the polygon crosses pixel columns 72088500 times, expected at most "
                             "67108864 times");
    struct arena small;
    arena_init(&small, 64, 1 << 16);
    EXPECT_STATUS(
        polygon_to_rle(&rle, &(struct polygon){points, 50}, COUNT, RLE_MAX_SIDE, &small, &err),
        STATUS_MEMORY, &err);
    arena_destroy(&small);
}

// Each part is allowed, all together are too much.
static void bounds_objects(void) {
    enum { COUNT = 520 };
    static const double points[] = {0, 0, RLE_MAX_SIDE, 0, RLE_MAX_SIDE, 9};
    struct polygon *parts = arena_alloc(&arena, COUNT, sizeof *parts);
    struct rle rle;
    REQUIRE(parts);
    for (int i = 0; i < COUNT; i++)
        parts[i] = (struct polygon){points, 3};
    EXPECT_STATUS(polygons_to_rle(&rle, parts, COUNT, 9, RLE_MAX_SIDE, &arena, &err), STATUS_DATA,
                  &err);
    EXPECT_CONTAINS(err.message, " of 520 parts cross pixel columns 67");
    EXPECT_CONTAINS(err.message, " times, expected at most 67108864 times");
}

// More changes in one column than are sorted by insertion.
static void sorts_crowded_columns(void) {
    enum { TEETH = 40 };
    double points[4 * TEETH];
    for (int i = 0; i < TEETH; i++) {
        double tooth[] = {1, 8 * i, 6, 8 * i + 4};
        memcpy(points + 4 * i, tooth, sizeof tooth);
    }
    struct rle rle;
    EXPECT_OK(polygon_to_rle(&rle, &(struct polygon){points, (int64_t)2 * TEETH}, 8 * TEETH, 8,
                             &arena, &err),
              &err);
    uint32_t sum = 0;
    for (int64_t i = 0; i < rle.num_runs; i++) {
        EXPECT(i == 0 || rle.runs[i] > 0);
        sum += rle.runs[i];
    }
    EXPECT_INT(sum, 8 * 8 * TEETH);
    expect_string(&rle, "P:o0R9WOPG0000000000000000000024J0000000000000000000000000000000000000"
                        "00000000000000032K00000000000000000000000000000000000040L0000000000000"
                        "000000000000000000000005NM00000000000000000000000000000000000000000000"
                        "000000006LN00000000000000000000o8j0S;");
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 16, 0);
    int status =
        run_cases(argc, argv,
                  (struct test_case[]){{"draws_like_coco", draws_like_coco},
                                       {"draws_beyond_the_canvas", draws_beyond_the_canvas},
                                       {"draws_nothing", draws_nothing},
                                       {"draws_parts", draws_parts},
                                       {"draws_boxes", draws_boxes},
                                       {"ignores_the_order_of_points", ignores_the_order_of_points},
                                       {"refuses_wrong_points", refuses_wrong_points},
                                       {"refuses_too_many_crossings", refuses_too_many_crossings},
                                       {"bounds_objects", bounds_objects},
                                       {"sorts_crowded_columns", sorts_crowded_columns},
                                       {0}});
    arena_destroy(&arena);
    return status;
}
