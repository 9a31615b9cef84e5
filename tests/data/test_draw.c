#include "data/draw.h"

#include "tests/data/image_files.h"

enum { WIDTH = 20, HEIGHT = 12 };

static uint8_t pixels[HEIGHT * WIDTH * 3];
static const struct color red = {255, 0, 0};

static struct image black_image(void) {
    memset(pixels, 0, sizeof pixels);
    return (struct image){WIDTH, HEIGHT, pixels};
}

static bool is_color(const struct image *image, int x, int y, struct color color) {
    return memcmp(image->pixels + 3 * (y * image->width + x), &color, 3) == 0;
}

static int count_color(const struct image *image, struct color color) {
    int count = 0;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            count += is_color(image, x, y, color);
    return count;
}

static void rectangles(void) {
    struct image image = black_image();
    draw_rectangle(&image, 2, 3, 9, 8, 1, red);
    EXPECT_INT(count_color(&image, red), 2 * 8 + 2 * 4);
    EXPECT(is_color(&image, 2, 3, red) && is_color(&image, 9, 8, red));
    EXPECT(!is_color(&image, 3, 4, red) && !is_color(&image, 1, 3, red));

    image = black_image();
    draw_rectangle(&image, 2, 3, 9, 8, 2, red);
    EXPECT_INT(count_color(&image, red), 8 * 6 - 4 * 2);

    image = black_image();
    draw_rectangle(&image, 2, 3, 9, 8, 50, red); // thicker than the box: full
    EXPECT_INT(count_color(&image, red), 8 * 6);

    image = black_image();
    draw_rectangle(&image, 5, 5, 5, 5, 1, red);
    EXPECT_INT(count_color(&image, red), 1);

    image = black_image();
    draw_rectangle(&image, 9, 8, 2, 3, 1, red); // inside out: nothing
    EXPECT_INT(count_color(&image, red), 0);
}

static void rectangles_are_clipped(void) {
    struct image image = black_image();
    draw_rectangle(&image, -1000000, -5, 1000000, 1000000, 6, red);
    EXPECT_INT(count_color(&image, red), WIDTH); // of the upper edge one row is inside

    image = black_image();
    draw_filled_rectangle(&image, -100, -100, 100, 100, red);
    EXPECT_INT(count_color(&image, red), WIDTH * HEIGHT);

    image = black_image();
    draw_filled_rectangle(&image, 20, 0, 30, 5, red);
    draw_filled_rectangle(&image, -9, 0, -1, 5, red);
    draw_filled_rectangle(&image, 0, 12, 5, 13, red);
    draw_filled_rectangle(&image, 0, -3, 5, -1, red);
    EXPECT_INT(count_color(&image, red), 0);
}

// Columns 3 to 5, rows 2 to 6.
static const uint32_t box_runs[] = {
    3 * HEIGHT + 2, 5, HEIGHT - 5, 5, HEIGHT - 5, 5, WIDTH *HEIGHT - 5 * HEIGHT - 7};
static const struct rle box = {HEIGHT, WIDTH, 7, box_runs};

static void mask(void) {
    struct image image = black_image();
    draw_mask(&image, &box, red, 256);
    EXPECT_INT(count_color(&image, red), 15);
    for (int y = 2; y <= 6; y++)
        for (int x = 3; x <= 5; x++)
            EXPECT(is_color(&image, x, y, red));

    image = black_image();
    draw_mask(&image, &box, red, 128);
    EXPECT_INT(count_color(&image, (struct color){128, 0, 0}), 15);

    image = black_image();
    draw_mask(&image, &box, red, 0);
    EXPECT_INT(count_color(&image, (struct color){0, 0, 0}), WIDTH * HEIGHT);
}

static void masks_full_and_empty(void) {
    static const uint32_t full_runs[] = {0, WIDTH * HEIGHT};
    static const uint32_t empty_runs[] = {WIDTH * HEIGHT};
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 12, 0);
    struct rle full = {HEIGHT, WIDTH, 2, full_runs};
    struct rle empty = {HEIGHT, WIDTH, 1, empty_runs};
    struct image image = black_image();
    draw_mask(&image, &empty, red, 256);
    EXPECT_OK(draw_mask_outline(&image, &empty, red, &arena, &err), &err);
    EXPECT_OK(draw_mask_outline(&image, &full, red, &arena, &err), &err); // its edge is the image's
    EXPECT_INT(count_color(&image, red), 0);
    draw_mask(&image, &full, red, 256);
    EXPECT_INT(count_color(&image, red), WIDTH * HEIGHT);
    arena_destroy(&arena);
}

static void outline(void) {
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 12, 0);
    struct image image = black_image();
    EXPECT_OK(draw_mask_outline(&image, &box, red, &arena, &err), &err);
    EXPECT_INT(count_color(&image, red), 15 - 3);
    EXPECT(!is_color(&image, 4, 4, red) && is_color(&image, 4, 2, red));
    arena_destroy(&arena);
    arena_init(&arena, 16, 64);
    EXPECT_STATUS(draw_mask_outline(&image, &box, red, &arena, &err), STATUS_MEMORY, &err);
    arena_destroy(&arena);
}

// Each letter is drawn somewhere in its cell, no two look alike, and scaling only enlarges.
static void text(void) {
    static uint8_t seen[95][10 * 6];
    struct arena arena;
    arena_init(&arena, 1 << 12, 0);
    for (int c = 0; c < 95; c++) {
        char letter[2] = {(char)(' ' + c), 0};
        struct image image = black_image();
        draw_text(&image, 0, 0, letter, 1, red);
        EXPECT(c == 0 ? count_color(&image, red) == 0 : count_color(&image, red) > 0);
        for (int at = 0; at < 60; at++)
            seen[c][at] = is_color(&image, at % 6, at / 6, red);
        for (int other = 0; other < c; other++)
            EXPECT(memcmp(seen[c], seen[other], sizeof seen[c]) != 0);
        int small = count_color(&image, red);
        struct image large = make_pattern(40, 40, &arena);
        memset(large.pixels, 0, 40 * 40 * 3);
        draw_text(&large, 0, 0, letter, 3, red);
        EXPECT_INT(count_color(&large, red), 9 * small);
    }
    arena_destroy(&arena);
}

static void text_is_measured_and_clipped(void) {
    EXPECT_INT(text_width("", 2), 0);
    EXPECT_INT(text_width("abc", 2), 36);
    EXPECT_INT(text_width("caf\xc3\xa9", 1), 24); // one cell for each character, not byte
    EXPECT_INT(text_width("\xff\xc3", 1), 12);
    struct image image = black_image();
    draw_text(&image, -3, -3, "WWWWWWWWWWWWWWWWWWWW", 1, red);
    draw_text(&image, 15, 9, "\xe2\x82\xac\n\x7f", 4, red);
    draw_text(&image, -5000, 5000, "away", 1, red);
    EXPECT(count_color(&image, red) > 0);
}

static void label(void) {
    struct image image = black_image();
    draw_label(&image, 2, 11, "a", 1, red); // 7 x 11 pixels: the letter, its gap, a border
    EXPECT(is_color(&image, 2, 1, red) && is_color(&image, 8, 11, red));
    EXPECT(!is_color(&image, 9, 11, red) && !is_color(&image, 2, 0, red));
    image = black_image();
    draw_label(&image, 18, 3, "a", 1, red); // pushed inside from the right and from above
    EXPECT(is_color(&image, 13, 0, red) && is_color(&image, 19, 10, red));
    image = black_image();
    draw_label(&image, -50, 90, "wider than the image", 3, red);
    EXPECT(is_color(&image, 0, 0, red));
}

static void colors(void) {
    double nearest = 1e9;
    for (int a = 0; a < 91; a++) {
        struct color p = palette_color(a);
        for (int b = 0; b < a; b++) {
            struct color q = palette_color(b);
            double distance = (p.red - q.red) * (p.red - q.red) +
                              (p.green - q.green) * (p.green - q.green) +
                              (p.blue - q.blue) * (p.blue - q.blue);
            if (distance < nearest) nearest = distance;
        }
    }
    EXPECT(nearest >= 10 * 10);
    struct color again = palette_color(17);
    struct color once = palette_color(17);
    EXPECT_INT(memcmp(&again, &once, 3), 0);
    (void)palette_color(INT64_MAX);
    EXPECT_INT(color_of_text_on((struct color){255, 255, 0}).red, 0);
    EXPECT_INT(color_of_text_on((struct color){0, 0, 255}).red, 255);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"rectangles", rectangles},
                         {"rectangles_are_clipped", rectangles_are_clipped},
                         {"mask", mask},
                         {"masks_full_and_empty", masks_full_and_empty},
                         {"outline", outline},
                         {"text", text},
                         {"text_is_measured_and_clipped", text_is_measured_and_clipped},
                         {"label", label},
                         {"colors", colors},
                         {0},
                     });
}
