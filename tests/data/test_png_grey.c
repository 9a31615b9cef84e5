// Grey PNG files as numbers: all depths, interlaced or not, and what is refused.
#include "data/png_grey.h"

#include <stdio.h>
#include <stdlib.h>

#include <png.h>

#include "tests/harness.h"

enum { WIDTH = 13, HEIGHT = 7 };

static const char *path(void) {
    static char text[512];
    snprintf(text, sizeof text, "%s/a.png", scratch_folder());
    return text;
}

static unsigned value_of(int i, int depth) {
    return (unsigned)(i * 7919 + 3) & ((1u << depth) - 1);
}

// Written by libpng from samples packed as the specification says.
static void save(int depth, int color_type, int interlace) {
    FILE *file = fopen(path(), "wb");
    REQUIRE(file);
    png_struct *png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_info *info = png_create_info_struct(png);
    png_byte rows[HEIGHT][WIDTH * 6] = {{0}};
    png_byte *pointers[HEIGHT];
    for (int y = 0; y < HEIGHT; y++) {
        pointers[y] = rows[y];
        for (int x = 0; x < WIDTH && color_type == PNG_COLOR_TYPE_GRAY; x++) {
            unsigned value = value_of(y * WIDTH + x, depth);
            if (depth == 16) {
                rows[y][2 * x] = (png_byte)(value >> 8);
                rows[y][2 * x + 1] = (png_byte)value;
            } else {
                int bit = x * depth;
                rows[y][bit / 8] |= (png_byte)(value << (8 - depth - bit % 8));
            }
        }
    }
    png_init_io(png, file);
    png_set_IHDR(png, info, WIDTH, HEIGHT, depth, color_type, interlace, 0, 0);
    png_set_rows(png, info, pointers);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

static enum status load(struct grey16_image *image, struct arena *arena, struct error *err) {
    const struct image_limits limits = image_limits_default();
    arena_init(arena, 1 << 12, 0);
    return grey16_load(image, path(), &limits, arena, err);
}

static void depths(void) {
    static const int DEPTHS[] = {1, 2, 4, 8, 16};
    for (int i = 0; i < 10; i++) {
        struct grey16_image image;
        struct arena arena;
        struct error err;
        int depth = DEPTHS[i / 2];
        int num_wrong = 0;
        save(depth, PNG_COLOR_TYPE_GRAY, i % 2 ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE);
        EXPECT_OK(load(&image, &arena, &err), &err);
        REQUIRE(image.width == WIDTH && image.height == HEIGHT);
        for (int k = 0; k < WIDTH * HEIGHT; k++)
            num_wrong += image.samples[k] != value_of(k, depth);
        EXPECT_INT(num_wrong, 0);
        arena_destroy(&arena);
    }
}

static void refusals(void) {
    struct grey16_image image;
    struct arena arena;
    struct error err;
    save(8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE);
    EXPECT_STATUS(load(&image, &arena, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "the samples are colours");
    arena_destroy(&arena);
    save(16, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE);
    FILE *file = fopen(path(), "rb");
    REQUIRE(file);
    char bytes[4096];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t cut = 0; cut < size; cut += 9) {
        EXPECT_OK(output_save(path(), bytes, (int64_t)cut, &err), &err);
        EXPECT(load(&image, &arena, &err) != STATUS_OK);
        arena_destroy(&arena);
    }
    arena_init(&arena, 1 << 12, 0);
    const struct image_limits limits = image_limits_default();
    EXPECT_STATUS(grey16_load(&image, "none.png", &limits, &arena, &err), STATUS_NO_INPUT, &err);
    EXPECT_OK(output_save(path(), "\xff\xd8\xff\xe0", 4, &err), &err);
    EXPECT(grey16_load(&image, path(), &limits, &arena, &err) != STATUS_OK);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"depths", depths}, {"refusals", refusals}, {0}});
}
