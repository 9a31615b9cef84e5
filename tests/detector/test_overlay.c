// Overlays: what is drawn where, on small and large pictures.
#include "detector/overlay.h"

#include "data/draw.h"
#include "tests/harness.h"

enum { GREY = 100 };

static struct arena arena;

static struct image grey_image(int32_t width, int32_t height) {
    struct image image = {width, height, arena_alloc(&arena, 3 * (int64_t)width * height, 1)};
    REQUIRE(image.pixels);
    memset(image.pixels, GREY, (size_t)(3 * (int64_t)width * height));
    return image;
}

static bool is_color(const struct image *image, int64_t x, int64_t y, struct color color) {
    return memcmp(image->pixels + 3 * (y * image->width + x), &color, 3) == 0;
}

static bool is_grey(const struct image *image, int64_t x, int64_t y) {
    return is_color(image, x, y, (struct color){GREY, GREY, GREY});
}

// A detection whose mask is a square in the middle of its box, which is the middle of the picture.
static struct detection middle(const struct image *image, int32_t label) {
    int32_t w = image->width;
    int32_t h = image->height;
    uint8_t *bytes = arena_alloc_zero(&arena, (int64_t)w * h, 1);
    const int32_t corners[] = {w / 4, h / 4, 3 * w / 4, 3 * h / 4};
    struct detection d = {.score = 0.5f, .label = label};
    struct error err;
    REQUIRE(bytes);
    for (int i = 0; i < 4; i++)
        d.box[i] = (float)corners[i];
    for (int64_t y = 3 * h / 8; y < 5 * h / 8; y++)
        for (int64_t x = 3 * w / 8; x < 5 * w / 8; x++)
            bytes[y * w + x] = 1;
    EXPECT_OK(rle_encode(&d.mask, bytes, h, w, &arena, &err), &err);
    return d;
}

static const char *const NAMES[] = {"one", "two"};
static const struct option_texts CLASSES = {NAMES, 2};

static void draw(struct image *image, const struct detection *items, int64_t count) {
    struct detection copies[2];
    struct error err;
    memcpy(copies, items, (size_t)count * sizeof *items);
    const struct detection_list list = {copies, count};
    EXPECT_OK(overlay_draw(image, &list, &CLASSES, &arena, &err), &err);
}

// scale: of lines and letters.
static void check_size(int32_t width, int32_t height, int64_t scale) {
    struct image image = grey_image(width, height);
    struct detection d = middle(&image, 2);
    struct color color = palette_color(2);
    draw(&image, &d, 1);
    int64_t left = width / 4;
    int64_t y = height / 2;
    EXPECT(is_grey(&image, left - 1, y)); // outside, border, between border and mask
    EXPECT(is_color(&image, left, y, color));
    EXPECT(is_color(&image, left + scale - 1, y, color));
    EXPECT(is_grey(&image, left + scale, y));
    EXPECT(is_color(&image, 3 * width / 8, y, color)); // the outline
    EXPECT(!is_grey(&image, width / 2, y) && !is_color(&image, width / 2, y, color));
    // The label stands on the box, as high as its letters.
    int64_t top = height / 4 - (FONT_CELL_HEIGHT + 1) * scale + 1;
    EXPECT(is_color(&image, left, top, color));
    EXPECT(is_grey(&image, left, top - 1));
    EXPECT(is_grey(&image, 0, 0) && is_grey(&image, width - 1, height - 1));
}

static void sizes(void) {
    arena_init(&arena, 1 << 20, 0);
    check_size(320, 240, 1);
    check_size(900, 700, 1);
    check_size(1333, 800, 2);
    check_size(4000, 3000, 6);
    arena_destroy(&arena);
}

// The best one, which comes first, is on top.
static void order(void) {
    arena_init(&arena, 1 << 20, 0);
    struct image image = grey_image(320, 240);
    struct detection both[] = {middle(&image, 1), middle(&image, 2)};
    draw(&image, both, 2);
    EXPECT(is_color(&image, 80, 120, palette_color(1)));
    EXPECT(is_color(&image, 120, 120, palette_color(1)));
    image = grey_image(320, 240);
    draw(&image, both, 0);
    for (int64_t i = 0; i < 320 * 240; i++)
        EXPECT(is_grey(&image, i % 320, i / 320));
    arena_destroy(&arena);
}

// Boxes at and over the border, on the smallest picture.
static void borders(void) {
    arena_init(&arena, 1 << 20, 0);
    struct image image = grey_image(1, 1);
    const uint32_t runs[] = {0, 1};
    struct detection d = {
        .box = {0, 0, 1.0001f, 1}, .score = 1, .label = 1, .mask = {1, 1, 2, runs}};
    draw(&image, &d, 1);
    EXPECT(!is_grey(&image, 0, 0));
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){{"sizes", sizes}, {"order", order}, {"borders", borders}, {0}});
}
