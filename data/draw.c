#include "data/draw.h"

#include <string.h>

#include "base/check.h"

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static uint8_t *pixel_at(struct image *image, int64_t x, int64_t y) {
    return image->pixels + 3 * (y * image->width + x);
}

static void set_pixel(struct image *image, int64_t x, int64_t y, struct color color) {
    memcpy(pixel_at(image, x, y), &color, 3);
}

void draw_filled_rectangle(struct image *image, int64_t left, int64_t top, int64_t right,
                           int64_t bottom, struct color color) {
    int64_t end_x = clamp(right, -1, image->width - 1);
    int64_t end_y = clamp(bottom, -1, image->height - 1);
    for (int64_t y = clamp(top, 0, image->height); y <= end_y; y++)
        for (int64_t x = clamp(left, 0, image->width); x <= end_x; x++)
            set_pixel(image, x, y, color);
}

void draw_rectangle(struct image *image, int64_t left, int64_t top, int64_t right, int64_t bottom,
                    int64_t thickness, struct color color) {
    CHECK(thickness >= 1);
    int64_t inner_left = left + thickness;
    int64_t inner_top = top + thickness;
    int64_t inner_right = right - thickness;
    int64_t inner_bottom = bottom - thickness;
    if (inner_left > inner_right || inner_top > inner_bottom) {
        draw_filled_rectangle(image, left, top, right, bottom, color);
        return;
    }
    draw_filled_rectangle(image, left, top, right, inner_top - 1, color);
    draw_filled_rectangle(image, left, inner_bottom + 1, right, bottom, color);
    draw_filled_rectangle(image, left, inner_top, inner_left - 1, inner_bottom, color);
    draw_filled_rectangle(image, inner_right + 1, inner_top, right, inner_bottom, color);
}

// Hues a golden section of the circle apart never come close to one of the last few; brightness
// and saturation change too, so that numbers whose hues meet again still differ.
struct color palette_color(int64_t class_id) {
    CHECK(class_id >= 0);
    enum { SECTOR = 256, CIRCLE = 6 * SECTOR, GOLDEN_STEP = 949 }; // 1536 / 1.618
    static const int values[] = {255, 205, 160};
    static const int saturations[] = {220, 150}; // of 256
    int hue = (int)(class_id % CIRCLE * GOLDEN_STEP % CIRCLE);
    int value = values[class_id % 3];
    int saturation = saturations[class_id / 3 % 2];
    int low = value * (256 - saturation) / 256;
    int step = (value - low) * (hue % SECTOR) / SECTOR;
    uint8_t top = (uint8_t)value;
    uint8_t base = (uint8_t)low;
    uint8_t rising = (uint8_t)(low + step);
    uint8_t falling = (uint8_t)(value - step);
    switch (hue / SECTOR) {
    case 0:
        return (struct color){top, rising, base};
    case 1:
        return (struct color){falling, top, base};
    case 2:
        return (struct color){base, top, rising};
    case 3:
        return (struct color){base, falling, top};
    case 4:
        return (struct color){rising, base, top};
    default:
        return (struct color){top, base, falling};
    }
}

struct color color_of_text_on(struct color background) {
    // Luma of ITU-R BT.601, in thousandths.
    int luma = 299 * background.red + 587 * background.green + 114 * background.blue;
    return luma >= 128 * 1000 ? (struct color){0, 0, 0} : (struct color){255, 255, 255};
}

static uint8_t mix(uint8_t under, uint8_t over, int opacity) {
    return (uint8_t)((under * (256 - opacity) + over * opacity + 128) >> 8);
}

static void mix_pixel(uint8_t *pixel, struct color color, int opacity) {
    pixel[0] = mix(pixel[0], color.red, opacity);
    pixel[1] = mix(pixel[1], color.green, opacity);
    pixel[2] = mix(pixel[2], color.blue, opacity);
}

// A walk over the set pixels of a mask, which is stored by columns.
struct mask_walk {
    const struct rle *mask;
    int64_t run;      // next run, set or not
    int64_t position; // y + x * height, behind the runs passed
};

// The next run of set pixels, as positions begin..end - 1.
static bool next_set_run(struct mask_walk *walk, int64_t *begin, int64_t *end) {
    while (walk->run < walk->mask->num_runs) {
        *begin = walk->position;
        *end = walk->position += walk->mask->runs[walk->run++];
        if (walk->run % 2 == 0 && *end > *begin) return true;
    }
    return false;
}

void draw_mask(struct image *image, const struct rle *mask, struct color color, int opacity) {
    CHECK(mask->width == image->width && mask->height == image->height);
    CHECK(opacity >= 0 && opacity <= 256);
    struct mask_walk walk = {.mask = mask};
    int64_t position;
    int64_t end;
    while (next_set_run(&walk, &position, &end)) {
        while (position < end) {
            int64_t x = position / mask->height;
            int64_t y = position % mask->height;
            int64_t end_y = clamp(y + end - position, 0, mask->height);
            position += end_y - y;
            for (; y < end_y; y++)
                mix_pixel(pixel_at(image, x, y), color, opacity);
        }
    }
}

enum status draw_mask_outline(struct image *image, const struct rle *mask, struct color color,
                              struct arena *arena, struct error *err) {
    CHECK(mask->width == image->width && mask->height == image->height);
    int64_t height = mask->height;
    int64_t size = height * mask->width;
    struct arena_mark mark = arena_mark(arena);
    uint8_t *set = arena_alloc_zero(arena, size, 1); // by columns, as the mask
    if (!set) return error_memory(err, "the outline of a mask", (long long)size);
    struct mask_walk walk = {.mask = mask};
    int64_t begin;
    int64_t end;
    while (next_set_run(&walk, &begin, &end))
        memset(set + begin, 1, (size_t)(end - begin));
    for (int64_t at = 0; at < size; at++) {
        if (!set[at]) continue;
        int64_t x = at / height;
        int64_t y = at % height;
        bool inside = (y == 0 || set[at - 1]) && (y == height - 1 || set[at + 1]) &&
                      (x == 0 || set[at - height]) && (x == mask->width - 1 || set[at + height]);
        if (!inside) set_pixel(image, x, y, color);
    }
    arena_release(arena, mark);
    return STATUS_OK;
}

// The ASCII character at *text, which moves behind it; '?' for any other UTF-8 sequence.
static char next_character(const char **text) {
    unsigned char first = (unsigned char)*(*text)++;
    if (first >= ' ' && first <= '~') return (char)first;
    if (first >= 0x80)
        while (((unsigned char)**text & 0xc0) == 0x80)
            (*text)++;
    return '?';
}

void draw_text(struct image *image, int64_t left, int64_t top, const char *text, int64_t scale,
               struct color color) {
    CHECK(scale >= 1);
    for (; *text && left < image->width; left += FONT_CELL_WIDTH * scale) {
        const uint8_t *rows = font_glyphs[next_character(&text) - ' '];
        for (int row = 0; row < FONT_GLYPH_ROWS; row++) {
            for (int column = 0; column < FONT_GLYPH_COLUMNS; column++) {
                if (!(rows[row] >> (FONT_GLYPH_COLUMNS - 1 - column) & 1)) continue;
                int64_t x = left + column * scale;
                int64_t y = top + row * scale;
                draw_filled_rectangle(image, x, y, x + scale - 1, y + scale - 1, color);
            }
        }
    }
}

int64_t text_width(const char *text, int64_t scale) {
    int64_t num_cells = 0;
    while (*text) {
        (void)next_character(&text);
        num_cells++;
    }
    return num_cells * FONT_CELL_WIDTH * scale;
}

void draw_label(struct image *image, int64_t left, int64_t bottom, const char *text, int64_t scale,
                struct color background) {
    int64_t width = text_width(text, scale) + scale; // as much before the text as is behind it
    int64_t height = FONT_CELL_HEIGHT * scale + scale;
    int64_t x = clamp(left, 0, image->width > width ? image->width - width : 0);
    int64_t y = clamp(bottom - height + 1, 0, image->height > height ? image->height - height : 0);
    draw_filled_rectangle(image, x, y, x + width - 1, y + height - 1, background);
    draw_text(image, x + scale, y + scale, text, scale, color_of_text_on(background));
}
