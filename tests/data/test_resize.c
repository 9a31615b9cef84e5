#include "data/resize.h"

#include "tests/data/image_files.h"

static void bytes_as_pillow(void) {
    static const int32_t sizes[][4] = {
        {64, 48, 107, 80}, {107, 80, 64, 48}, {200, 150, 53, 41},    {1, 1, 7, 5},
        {1, 40, 1, 7},     {40, 1, 7, 1},     {33, 17, 33, 51},      {33, 17, 90, 17},
        {33, 17, 33, 17},  {5, 3, 1, 1},      {640, 480, 1067, 800}, {300, 200, 299, 199},
    };
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int32_t *s = sizes[i];
        struct image source = make_pattern(s[0], s[1], &arena);
        struct image target;
        char name[64];
        snprintf(name, sizeof name, "resize_%d_%d_%d_%d", s[0], s[1], s[2], s[3]);
        EXPECT_OK(image_resize(&target, &source, s[2], s[3], &arena, &err), &err);
        if (target.pixels) expect_reference(&target, name);
    }
    arena_destroy(&arena);
}

static void white_stays_white(void) {
    static const int32_t sizes[][4] = {{19999, 3, 1, 2}, {3, 19999, 2, 1}, {97, 89, 13, 200}};
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int32_t *s = sizes[i];
        struct image source = make_pattern(s[0], s[1], &arena);
        struct image target;
        memset(source.pixels, 255, (size_t)s[0] * (size_t)s[1] * 3);
        REQUIRE(image_resize(&target, &source, s[2], s[3], &arena, &err) == STATUS_OK);
        for (int64_t at = 0; at < (int64_t)s[2] * s[3] * 3; at++)
            EXPECT_INT(target.pixels[at], 255);
    }
    arena_destroy(&arena);
}

static void same_size_is_a_copy(void) {
    struct arena arena;
    struct error err;
    struct image target;
    arena_init(&arena, 1 << 16, 0);
    struct image source = make_pattern(37, 29, &arena);
    REQUIRE(image_resize(&target, &source, 37, 29, &arena, &err) == STATUS_OK);
    EXPECT_INT(memcmp(target.pixels, source.pixels, 37 * 29 * 3), 0);
    arena_destroy(&arena);
}

static void out_of_memory(void) {
    struct arena arena;
    struct arena small;
    struct error err;
    struct image target;
    arena_init(&arena, 1 << 16, 0);
    struct image source = make_pattern(50, 50, &arena);
    for (int64_t limit = 4096; limit <= 32768; limit *= 2) {
        arena_init(&small, 1024, limit);
        EXPECT_STATUS(image_resize(&target, &source, 100, 100, &small, &err), STATUS_MEMORY, &err);
        EXPECT(target.pixels == NULL);
        EXPECT_INT(small.reserved_bytes, 0);
        arena_destroy(&small);
    }
    arena_destroy(&arena);
}

// The values are those of OpenCV's resize (INTER_LINEAR), which shares torch's convention.
static void floats_as_opencv(void) {
    static const float enlarged[4 * 5 * 3] = {
        0.0F,  5.0F,  10.0F, 1.6F,  6.6F,  7.2F,  4.0F,  9.0F,  3.0F,  6.4F,  4.8F,  5.4F,
        8.0F,  2.0F,  7.0F,  0.25F, 5.25F, 7.5F,  1.85F, 6.85F, 5.8F,  4.25F, 9.25F, 3.25F,
        6.65F, 5.05F, 5.65F, 8.25F, 2.25F, 7.25F, 0.75F, 5.75F, 2.5F,  2.35F, 7.35F, 3.0F,
        4.75F, 9.75F, 3.75F, 7.15F, 5.55F, 6.15F, 8.75F, 2.75F, 7.75F, 1.0F,  6.0F,  0.0F,
        2.6F,  7.6F,  1.6F,  5.0F,  10.0F, 4.0F,  7.4F,  5.8F,  6.4F,  9.0F,  3.0F,  8.0F};
    static const float shrunk[1 * 2 * 3] = {1.5F, 6.5F, 4.625F, 7.5F, 4.25F, 6.5F};
    static const float narrowed[3 * 1 * 3] = {4.0F, 9.0F, 3.0F,  4.5F, 9.5F,
                                              3.5F, 5.0F, 10.0F, 4.0F};
    static const struct {
        struct image_size size;
        const float *expected;
    } cases[] = {{{5, 4}, enlarged}, {{2, 1}, shrunk}, {{1, 3}, narrowed}};
    float source[2 * 3 * 3];
    for (int i = 0; i < 18; i++)
        source[i] = (float)(i * 5 % 11);
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float target[4 * 5 * 3];
        struct image_size size = cases[i].size;
        EXPECT_OK(resample_floats(target, size, source, (struct image_size){3, 2}, &arena, &err),
                  &err);
        for (int64_t at = 0; at < (int64_t)size.width * size.height * 3; at++)
            EXPECT_NEAR((double)target[at], (double)cases[i].expected[at], 2e-6);
    }
    arena_destroy(&arena);
}

// A plane stays a plane between the outermost centres, whatever the sizes.
static void floats_of_a_ramp(void) {
    enum { WIDTH = 31, HEIGHT = 17, NEW_WIDTH = 50, NEW_HEIGHT = 23 };
    static float source[WIDTH * HEIGHT * 3];
    static float target[NEW_WIDTH * NEW_HEIGHT * 3];
    for (int i = 0; i < WIDTH * HEIGHT * 3; i++) {
        int row = i / 3 / WIDTH;
        source[i] = (float)(i / 3 % WIDTH + 10 * row + i % 3);
    }
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(resample_floats(target, (struct image_size){NEW_WIDTH, NEW_HEIGHT}, source,
                              (struct image_size){WIDTH, HEIGHT}, &arena, &err),
              &err);
    for (int i = 0; i < NEW_WIDTH * NEW_HEIGHT * 3; i++) {
        int row = i / 3 / NEW_WIDTH;
        double x = (i / 3 % NEW_WIDTH + 0.5) * WIDTH / NEW_WIDTH - 0.5;
        double y = (row + 0.5) * HEIGHT / NEW_HEIGHT - 0.5;
        x = x < 0 ? 0 : x > WIDTH - 1 ? WIDTH - 1 : x;
        y = y < 0 ? 0 : y > HEIGHT - 1 ? HEIGHT - 1 : y;
        EXPECT_NEAR((double)target[i], x + 10.0 * y + i % 3, 1e-4);
    }
    arena_destroy(&arena);
}

// Examples computed with the families' own code.
static void size_rules(void) {
    static const struct {
        int32_t height, width;
        struct image_size expected[4]; // in the order of enum size_rule
    } cases[] = {
        {480, 640, {{1067, 800}, {1066, 800}, {1067, 800}, {1066, 800}}},
        {427, 640, {{1199, 800}, {1199, 800}, {1199, 800}, {1199, 799}}},
        {375, 500, {{1067, 800}, {1066, 800}, {1067, 800}, {1066, 799}}},
        {300, 640, {{1333, 625}, {1333, 625}, {1333, 625}, {1333, 624}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int rule = 0; rule < 4; rule++) {
            int32_t width = cases[i].width;
            int32_t height = cases[i].height;
            struct image_size expected = cases[i].expected[rule];
            struct image_size size =
                size_rule_apply((enum size_rule)rule, width, height, 800, 1333);
            EXPECT_INT(size.width, expected.width);
            EXPECT_INT(size.height, expected.height);
            size = size_rule_apply((enum size_rule)rule, height, width, 800, 1333);
            EXPECT_INT(size.width, expected.height);
            EXPECT_INT(size.height, expected.width);
        }
    }
}

static void size_rules_leave_a_pixel(void) {
    for (int rule = 0; rule < 4; rule++) {
        struct image_size size = size_rule_apply((enum size_rule)rule, 20000, 1, 800, 1333);
        EXPECT(size.width >= 1 && size.width <= 1333);
        EXPECT_INT(size.height, 1);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"bytes_as_pillow", bytes_as_pillow},
                         {"white_stays_white", white_stays_white},
                         {"same_size_is_a_copy", same_size_is_a_copy},
                         {"out_of_memory", out_of_memory},
                         {"floats_as_opencv", floats_as_opencv},
                         {"floats_of_a_ramp", floats_of_a_ramp},
                         {"size_rules", size_rules},
                         {"size_rules_leave_a_pixel", size_rules_leave_a_pixel},
                         {0},
                     });
}
