// Parts of masks and back, against copies of pixels.
#include "data/rle_crop.h"

#include "base/random.h"
#include "tests/harness.h"

enum { MAX_SIDE = 24, NUM_CASES = 3000 };

// A mask that is mostly runs: pixels follow the one before, now and then.
static void draw(uint8_t *pixels, int64_t count, struct random *random) {
    int64_t change = 1 + random_below(random, 12);
    uint8_t value = 0;
    for (int64_t i = 0; i < count; i++) {
        if (random_below(random, change) == 0) value ^= 1;
        pixels[i] = value;
    }
}

static void crops_and_places(void) {
    struct random random = random_stream(3, 1);
    for (int i = 0; i < NUM_CASES; i++) {
        uint8_t whole[MAX_SIDE * MAX_SIDE];
        uint8_t part[MAX_SIDE * MAX_SIDE];
        uint8_t got[MAX_SIDE * MAX_SIDE];
        struct arena arena;
        struct rle mask;
        struct rle cut;
        struct rle placed;
        struct error err;
        int32_t width = 1 + (int32_t)random_below(&random, MAX_SIDE);
        int32_t height = 1 + (int32_t)random_below(&random, MAX_SIDE);
        int32_t x = (int32_t)random_below(&random, width);
        int32_t y = (int32_t)random_below(&random, height);
        int32_t w = 1 + (int32_t)random_below(&random, width - x);
        int32_t h = 1 + (int32_t)random_below(&random, height - y);
        arena_init(&arena, 1 << 12, 0);
        draw(whole, (int64_t)width * height, &random);
        EXPECT_OK(rle_encode(&mask, whole, height, width, &arena, &err), &err);
        for (int64_t k = 0; k < (int64_t)w * h; k++)
            part[k] = whole[(y + k / w) * width + x + k % w];
        EXPECT_OK(rle_crop(&cut, &mask, x, y, w, h, &arena, &err), &err);
        REQUIRE(cut.width == w && cut.height == h);
        rle_decode(&cut, got);
        EXPECT(memcmp(got, part, (size_t)w * (size_t)h) == 0);
        // Runs are as an encoder makes them.
        struct rle encoded;
        EXPECT_OK(rle_encode(&encoded, part, h, w, &arena, &err), &err);
        REQUIRE(cut.num_runs == encoded.num_runs);
        EXPECT(memcmp(cut.runs, encoded.runs, (size_t)cut.num_runs * sizeof *cut.runs) == 0);

        EXPECT_OK(rle_place(&placed, &cut, x, y, height, width, &arena, &err), &err);
        for (int64_t k = 0; k < (int64_t)width * height; k++) {
            bool within =
                k % width >= x && k % width < x + w && k / width >= y && k / width < y + h;
            if (!within) whole[k] = 0;
        }
        rle_decode(&placed, got);
        EXPECT(memcmp(got, whole, (size_t)width * (size_t)height) == 0);
        EXPECT_OK(rle_encode(&encoded, whole, height, width, &arena, &err), &err);
        EXPECT_INT(placed.num_runs, encoded.num_runs);
        arena_destroy(&arena);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv, (struct test_case[]){{"crops and places", crops_and_places}, {0}});
}
