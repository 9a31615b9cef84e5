// data/rle_sample.h against a plain loop over pixels.
#include "data/rle_sample.h"

#include <stdlib.h>

#include "base/random.h"
#include "tests/harness.h"

static struct arena arena;
static struct error err;

static int compare(const void *a, const void *b) {
    return *(const int32_t *)a - *(const int32_t *)b;
}

static int32_t *random_places(struct random *random, int32_t count, int32_t side, bool ascending) {
    int32_t *places = arena_alloc(&arena, count, sizeof *places);
    REQUIRE(places != NULL);
    for (int32_t i = 0; i < count; i++)
        places[i] = (int32_t)random_below(random, side);
    if (ascending) qsort(places, (size_t)count, sizeof *places, compare);
    return places;
}

// Runs of pixels of one kind, from single ones to whole columns.
static struct rle random_mask(struct random *random, int32_t height, int32_t width,
                              uint8_t **pixels) {
    struct rle rle = {0};
    int64_t count = (int64_t)height * width;
    uint8_t *mask = *pixels = arena_alloc(&arena, count, 1);
    double keep = random_uniform(random);
    REQUIRE(mask != NULL);
    for (int64_t x = 0; x < width; x++)
        for (int64_t y = 0; y < height; y++) {
            int64_t before = y ? (y - 1) * width + x : (height - 1) * width + x - 1;
            bool copied = (x || y) && random_uniform(random) < keep;
            mask[y * width + x] = copied ? mask[before] : random_below(random, 2) != 0;
        }
    EXPECT_OK(rle_encode(&rle, mask, height, width, &arena, &err), &err);
    return rle;
}

static void check(const struct rle *source, const uint8_t *pixels, const int32_t *rows,
                  int32_t height, const int32_t *columns, int32_t width) {
    struct rle got;
    struct rle expected;
    uint8_t *wanted = arena_alloc(&arena, (int64_t)height * width, 1);
    REQUIRE(wanted != NULL);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            wanted[y * width + x] = pixels[(int64_t)rows[y] * source->width + columns[x]];
    EXPECT_OK(rle_encode(&expected, wanted, height, width, &arena, &err), &err);
    EXPECT_OK(rle_sample(&got, source, rows, height, columns, width, &arena, &err), &err);
    EXPECT_INT(got.height, height);
    EXPECT_INT(got.width, width);
    EXPECT_INT(got.num_runs, expected.num_runs);
    EXPECT(got.num_runs == expected.num_runs &&
           memcmp(got.runs, expected.runs, (size_t)got.num_runs * sizeof *got.runs) == 0);
}

static void random_masks(void) {
    for (uint64_t i = 0; i < 3000; i++) {
        struct random random = random_stream(1, i);
        int32_t height = 1 + (int32_t)random_below(&random, 24);
        int32_t width = 1 + (int32_t)random_below(&random, 24);
        int32_t new_height = 1 + (int32_t)random_below(&random, 40);
        int32_t new_width = 1 + (int32_t)random_below(&random, 40);
        uint8_t *pixels = NULL;
        arena_destroy(&arena);
        arena_init(&arena, 1 << 16, 0);
        struct rle mask = random_mask(&random, height, width, &pixels);
        check(&mask, pixels, random_places(&random, new_height, height, true), new_height,
              random_places(&random, new_width, width, false), new_width);
    }
}

// Runs of length 0 say nothing.
static void empty_runs(void) {
    static const uint32_t runs[] = {2, 0, 1, 1, 0, 2, 0, 0};
    static const uint8_t pixels[] = {0, 1, 0, 1, 0, 1}; // columns 0 0 0, 1 1 1
    static const int32_t rows[] = {0, 0, 1, 2, 2};
    static const int32_t columns[] = {1, 0, 1, 1};
    const struct rle mask = {3, 2, sizeof runs / sizeof runs[0], runs};
    arena_destroy(&arena);
    arena_init(&arena, 1 << 16, 0);
    check(&mask, pixels, rows, 5, columns, 4);
}

static void wrong_size(void) {
    static const uint32_t runs[] = {1};
    static const int32_t place[] = {0};
    const struct rle mask = {1, 1, 1, runs};
    struct rle result;
    EXPECT_STATUS(rle_sample(&result, &mask, place, 1, place, 0, &arena, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "the mask's size is 1 x 0");
}

int main(int argc, char **argv) {
    int status = run_cases(argc, argv,
                           (struct test_case[]){
                               {"random masks", random_masks},
                               {"empty runs", empty_runs},
                               {"wrong size", wrong_size},
                               {0},
                           });
    arena_destroy(&arena);
    return status;
}
