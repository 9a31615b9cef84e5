// Segmentations to masks. Strings are what pycocotools 2.0.11 makes of the same objects.
#include "base/output.h"
#include "data/coco.h"
#include "tests/harness.h"

enum { HEIGHT = 8, WIDTH = 9 };

static struct arena arena;

static void expect_mask(const struct coco_segment *segment, const char *expected) {
    struct error err;
    struct rle rle;
    EXPECT_OK(coco_segment_to_rle(&rle, segment, HEIGHT, WIDTH, &arena, &err), &err);
    struct output string;
    output_open_memory(&string);
    rle_write_string(&rle, &string);
    EXPECT_TEXT(string.data, expected);
    output_discard(&string);
}

// Parts of four numbers are boxes if the first part is one; behind a polygon they are lines.
static void boxes(void) {
    static const double box[] = {1, 2, 3, 4};
    static const double other_box[] = {2.5, 1, 4, 2.6};
    static const double large_box[] = {-3, -2, 8.2, 30};
    static const double triangle[] = {0, 0, 6, 0, 6, 6};
    const struct {
        struct polygon parts[2];
        int64_t count;
        const char *expected;
    } cases[] = {
        {{{box, 2}}, 1, ":44000V1"},
        {{{box, 2}, {other_box, 2}}, 2, ":440O10N2000?"},
        {{{large_box, 2}}, 1, "0X1P1"},
        {{{triangle, 3}, {box, 2}}, 2, "8171O1O1O1g0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_mask(&(struct coco_segment){.kind = SEGMENT_POLYGONS,
                                           .count = cases[i].count,
                                           .polygons = cases[i].parts},
                    cases[i].expected);
}

static void other_kinds(void) {
    static const int64_t counts[] = {10, 4, 4, 4, 4, 4, 42};
    expect_mask(&(struct coco_segment){.kind = SEGMENT_NONE}, "X2");
    expect_mask(&(struct coco_segment){.kind = SEGMENT_STRING,
                                       .height = HEIGHT,
                                       .width = WIDTH,
                                       .string = ":44000V1",
                                       .count = 8},
                ":44000V1");
    expect_mask(&(struct coco_segment){.kind = SEGMENT_COUNTS,
                                       .height = HEIGHT,
                                       .width = WIDTH,
                                       .counts = counts,
                                       .count = sizeof counts / sizeof *counts},
                ":44000V1");
}

static void refused(void) {
    static const double numbers[] = {1, 2, 3, 4, 1e9, 2};
    const struct {
        struct polygon parts[2];
        int64_t count;
        const char *message;
    } cases[] = {
        {{{NULL, 0}}, 0, "the object has no polygons"},
        {{{numbers, 2}, {numbers, 1}}, 2, "part 1: a box of fewer than four numbers"},
        {{{numbers, 1}, {numbers, 3}}, 2, "part 1: point 2 of the polygon is (1e+09, 2)"},
        {{{numbers, 2}, {numbers + 2, 2}}, 2, "part 1: point 2 of the polygon is (1e+09, 6)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        struct rle rle;
        const struct coco_segment segment = {
            .kind = SEGMENT_POLYGONS, .count = cases[i].count, .polygons = cases[i].parts};
        EXPECT_STATUS(coco_segment_to_rle(&rle, &segment, HEIGHT, WIDTH, &arena, &err), STATUS_DATA,
                      &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
    }
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 12, 0);
    int code =
        run_cases(argc, argv,
                  (struct test_case[]){
                      {"boxes", boxes}, {"other_kinds", other_kinds}, {"refused", refused}, {0}});
    arena_destroy(&arena);
    return code;
}
