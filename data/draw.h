// Drawing detections on images: masks, their outlines, boxes and labels, in colours that stay the
// same for a class. Everything is clipped to the image; coordinates may lie anywhere.
#pragma once

#include <stdint.h>

#include "data/image.h"
#include "data/rle.h"

struct color {
    uint8_t red, green, blue;
};

// A colour for a class number of 0 or more: always the same, and well apart for numbers close to
// each other.
struct color palette_color(int64_t class_id);

// Black or white, whichever is easier to read on the colour.
struct color color_of_text_on(struct color background);

// Draws the border of the pixels from (left, top) to (right, bottom), which belong to it, inward.
void draw_rectangle(struct image *image, int64_t left, int64_t top, int64_t right, int64_t bottom,
                    int64_t thickness, struct color color);

// Sets the same pixels all over.
void draw_filled_rectangle(struct image *image, int64_t left, int64_t top, int64_t right,
                           int64_t bottom, struct color color);

// Mixes color into the pixels of the mask: opacity 0 leaves them, 256 covers them. The mask is as
// large as the image.
void draw_mask(struct image *image, const struct rle *mask, struct color color, int opacity);

// Sets those pixels of the mask of which a neighbour above, below, left or right is not in it; the
// border of the image is not an edge. Allocates scratch in arena and gives it back.
MUST_CHECK enum status draw_mask_outline(struct image *image, const struct rle *mask,
                                         struct color color, struct arena *arena,
                                         struct error *err);

enum {
    FONT_NUM_GLYPHS = 95, // ' ' to '~'
    FONT_GLYPH_COLUMNS = 5,
    FONT_GLYPH_ROWS = 9,
    FONT_CELL_WIDTH = 6,
    FONT_CELL_HEIGHT = 10,
};
extern const uint8_t font_glyphs[FONT_NUM_GLYPHS][FONT_GLYPH_ROWS];

// Writes one line whose first cell has its corner at (left, top); a pixel of the font becomes a
// square of scale pixels. Each UTF-8 character outside ASCII is one '?'.
void draw_text(struct image *image, int64_t left, int64_t top, const char *text, int64_t scale,
               struct color color);

// The width in pixels that draw_text needs; the height is FONT_CELL_HEIGHT * scale.
int64_t text_width(const char *text, int64_t scale);

// Text on a filled rectangle that stands on the edge y = bottom from x = left on, moved as far as
// it needs to stay in the image.
void draw_label(struct image *image, int64_t left, int64_t bottom, const char *text, int64_t scale,
                struct color background);
