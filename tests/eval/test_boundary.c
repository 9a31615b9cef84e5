// Boundaries against OpenCV's erosion, as boundary-iou-api uses it: numbers of pixels, hashes of
// the compressed RLE strings, and sums of IoUs. Also against the definition, pixel by pixel.
#include "eval/boundary.h"

#include <stdlib.h>

#include "base/random.h"
#include "data/coco.h"
#include "tests/harness.h"

static struct arena arena;

enum { NUM_SHAPES = 6 };

static bool in_shape(int shape, int64_t x, int64_t y, int64_t width, int64_t height) {
    int64_t dx = 2 * x - width;
    int64_t dy = 2 * y - height;
    switch (shape) {
    case 0: // an ellipse that touches all edges
        return dx * dx * height * height + dy * dy * width * width <=
               width * width * height * height;
    case 1: // a frame
        return !(llabs(dx) < width / 2 && llabs(dy) < height / 2);
    case 2:
        return true;
    case 3: { // checkers
        int64_t cell_width = width < 6 ? 1 : width / 3;
        int64_t cell_height = height < 6 ? 1 : height / 3;
        return (x / cell_width + y / cell_height) % 2 == 0;
    }
    case 4: // diagonal lines
        return (x + y) % 7 != 0;
    default: // ornaments
        return (x * x + 3 * y * y) % (height * width + 1) < height * width / 2;
    }
}

static struct rle encode(const uint8_t *pixels, int32_t height, int32_t width) {
    struct rle rle = {0};
    REQUIRE(rle_encode(&rle, pixels, height, width, &arena, NULL) == STATUS_OK);
    return rle;
}

// FNV-1a over the strings of masks.
static uint64_t hash_mask(uint64_t hash, const struct rle *rle) {
    struct output out;
    output_open_memory(&out);
    rle_write_string(rle, &out);
    for (int64_t i = 0; i < out.size; i++)
        hash = (hash ^ (uint8_t)out.data[i]) * UINT64_C(0x100000001b3);
    output_discard(&out);
    return hash;
}

static const uint64_t hash_begin = UINT64_C(0xcbf29ce484222325);

static void finds_opencvs_boundaries(void) {
    static const struct {
        int32_t height, width;
        int64_t area; // of the boundaries of all shapes
        uint64_t hash;
    } sizes[] = {
        {1, 1, 3, UINT64_C(0x9a7365ba56e80229)},
        {3, 200, 2741, UINT64_C(0xe07e05622bc8d61)},
        {200, 3, 2724, UINT64_C(0xa03ee4c0d06b459e)},
        {64, 64, 7196, UINT64_C(0xe2893d97384b4e57)},
        {65, 127, 15069, UINT64_C(0x2c1b4695ef5ab98)},
        {128, 300, 74311, UINT64_C(0x3e2f64ff3d9c8669)},
        {480, 640, 522154, UINT64_C(0x89a8919d46317fc5)},
        {1, 500, 2023, UINT64_C(0xd8db4d6c480edc34)},
        {130, 60, 15181, UINT64_C(0xb1a1cd6f214fff3f)},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int32_t height = sizes[i].height;
        int32_t width = sizes[i].width;
        uint8_t *pixels = arena_alloc(&arena, (int64_t)height * width, 1);
        uint64_t hash = hash_begin;
        int64_t area = 0;
        for (int shape = 0; shape < NUM_SHAPES; shape++) {
            for (int64_t y = 0; y < height; y++)
                for (int64_t x = 0; x < width; x++)
                    pixels[y * width + x] = in_shape(shape, x, y, width, height);
            struct rle mask = encode(pixels, height, width);
            struct rle boundary;
            EXPECT_OK(boundary_of_mask(&boundary, &mask, 0.02, &arena, NULL), NULL);
            area += rle_area(&boundary);
            hash = hash_mask(hash, &boundary);
        }
        EXPECT_INT(area, sizes[i].area);
        EXPECT_INT((int64_t)hash, (int64_t)sizes[i].hash);
    }
}

// The width of the border is rounded to the even number, as Python does.
static void rounds_half_to_even(void) {
    uint8_t pixels[30 * 40];
    memset(pixels, 1, sizeof pixels);
    struct rle mask = encode(pixels, 30, 40);
    struct rle boundary;
    EXPECT_OK(boundary_of_mask(&boundary, &mask, 0.05, &arena, NULL), NULL); // 2.5
    EXPECT_INT(rle_area(&boundary), 264);
    EXPECT_OK(boundary_of_mask(&boundary, &mask, 0.07, &arena, NULL), NULL); // 3.5
    EXPECT_INT(rle_area(&boundary), 496);
}

static bool has_background_near(const uint8_t *pixels, int64_t height, int64_t width, int64_t x,
                                int64_t y, int64_t distance) {
    for (int64_t v = y - distance; v <= y + distance; v++)
        for (int64_t u = x - distance; u <= x + distance; u++)
            if (v < 0 || u < 0 || v >= height || u >= width || !pixels[v * width + u]) return true;
    return false;
}

// Against the definition, on masks of noise with few holes; every other mask is given with runs of
// length 0 in it.
static void agrees_with_the_definition(void) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random = random_stream(7, seed);
        int32_t height = (int32_t)random_below(&random, 90) + 1;
        int32_t width = (int32_t)random_below(&random, 90) + 1;
        int64_t distance = random_below(&random, 5) + 1;
        double holes = random_between(&random, 0, 0.05);
        uint8_t *pixels = arena_alloc(&arena, (int64_t)height * width, 1);
        uint8_t *expected = arena_alloc(&arena, (int64_t)height * width, 1);
        for (int64_t i = 0; i < height * width; i++)
            pixels[i] = random_uniform(&random) >= holes;
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++)
                expected[y * width + x] =
                    pixels[y * width + x] &&
                    has_background_near(pixels, height, width, x, y, distance);
        struct rle mask = encode(pixels, height, width);
        uint32_t *runs = arena_alloc(&arena, mask.num_runs + 2, sizeof *runs);
        if (seed % 2 && mask.num_runs > 1 && mask.runs[1] > 1) {
            memcpy(runs, mask.runs, (size_t)mask.num_runs * sizeof *runs);
            memmove(runs + 4, runs + 2, (size_t)(mask.num_runs - 2) * sizeof *runs);
            runs[1] = mask.runs[1] / 2;
            runs[2] = 0;
            runs[3] = mask.runs[1] - runs[1];
            mask = (struct rle){height, width, mask.num_runs + 2, runs};
        }
        double diagonal = __builtin_sqrt((double)height * height + (double)width * width);
        struct rle boundary;
        EXPECT_OK(boundary_of_mask(&boundary, &mask, (double)distance / diagonal, &arena, NULL),
                  NULL);
        uint8_t *got = arena_alloc(&arena, (int64_t)height * width, 1);
        rle_decode(&boundary, got);
        EXPECT(memcmp(got, expected, (size_t)(height * width)) == 0);
    }
}

static void keeps_an_empty_mask_empty(void) {
    uint8_t pixels[12] = {0};
    struct rle mask = encode(pixels, 3, 4);
    struct rle boundary;
    EXPECT_OK(boundary_of_mask(&boundary, &mask, 0.02, &arena, NULL), NULL);
    EXPECT_INT(rle_area(&boundary), 0);
    double iou = 0;
    bool crowd = false;
    EXPECT_OK(boundary_lower_ious(&iou, &mask, 1, &mask, &crowd, 1, 0.02, &arena, NULL), NULL);
    EXPECT_NEAR(iou, 0, 0);
    EXPECT_OK(boundary_lower_ious(&iou, &mask, 0, &mask, &crowd, 0, 0.02, &arena, NULL), NULL);
}

// Every annotation of the small real set: its boundary, and its overlap with its box.
static void agrees_on_real_masks(void) {
    static const struct {
        double ratio;
        int64_t area;
        uint64_t hash;
        double iou_sum;
    } runs[] = {
        {0.02, 1234898, UINT64_C(0x3d94a3e40cf81cdb), 118.3973980721196},
        {0.005, 423660, UINT64_C(0xcf9a3829a4162b78), 67.16070724743447},
        {0.1, 2459461, UINT64_C(0xcaefe9d15dc6c06c), 157.47443387043813},
    };
    const char *path = shared_path("data/coco-mini/annotations/instances_val.json");
    if (!path) skip_case("the shared data is not there");
    struct coco_set set = {0};
    struct error err = {0};
    EXPECT_OK(coco_load_annotations(&set, path, &(struct coco_load_options){0}, &err), &err);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        uint64_t hash = hash_begin;
        int64_t area = 0;
        double iou_sum = 0;
        for (int64_t a = 0; a < set.num_annotations; a++) {
            const struct coco_annotation *annotation = &set.annotations[a];
            const struct coco_image *image = coco_find_image(&set, annotation->image_id);
            struct rle mask;
            struct rle box;
            struct rle boundary;
            EXPECT_OK(coco_segment_to_rle(&mask, &annotation->segment, image->height, image->width,
                                          &arena, &err),
                      &err);
            EXPECT_OK(box_to_rle(&box, &annotation->box, image->height, image->width, &arena, &err),
                      &err);
            EXPECT_OK(boundary_of_mask(&boundary, &mask, runs[i].ratio, &arena, &err), &err);
            area += rle_area(&boundary);
            hash = hash_mask(hash, &boundary);
            double ious[2] = {rle_iou(&box, &mask, false), rle_iou(&box, &mask, true)};
            double crowd_iou = ious[1];
            EXPECT_OK(boundary_lower_ious(ious, &box, 1, (struct rle[]){mask, mask},
                                          (bool[]){false, true}, 2, runs[i].ratio, &arena, &err),
                      &err);
            iou_sum += ious[0];
            EXPECT_NEAR(ious[1], crowd_iou, 0);
        }
        EXPECT_INT(area, runs[i].area);
        EXPECT_INT((int64_t)hash, (int64_t)runs[i].hash);
        EXPECT_NEAR(iou_sum, runs[i].iou_sum, 1e-9);
    }
    coco_destroy(&set);
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 20, 0);
    int code = run_cases(argc, argv,
                         (struct test_case[]){
                             {"finds_opencvs_boundaries", finds_opencvs_boundaries},
                             {"rounds_half_to_even", rounds_half_to_even},
                             {"agrees_with_the_definition", agrees_with_the_definition},
                             {"keeps_an_empty_mask_empty", keeps_an_empty_mask_empty},
                             {"agrees_on_real_masks", agrees_on_real_masks},
                             {0},
                         });
    arena_destroy(&arena);
    return code;
}
