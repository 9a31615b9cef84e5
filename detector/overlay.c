#include "detector/overlay.h"

#include <math.h>
#include <stdio.h>

#include "data/draw.h"

enum { MASK_OPACITY = 112, LABEL_BYTES = 128, SIDE_OF_A_SCALE = 640 };

// Pixels for each pixel of the font, and of lines: 1 on an image of 320 pixels, 6 on one of 4000.
static int64_t scale_for(const struct image *image) {
    int64_t longer = image->width > image->height ? image->width : image->height;
    int64_t scale = (longer + SIDE_OF_A_SCALE / 2) / SIDE_OF_A_SCALE;
    return scale > 1 ? scale : 1;
}

static void draw_box(struct image *image, const struct detection *d, int64_t scale) {
    int64_t left = (int64_t)floorf(d->box[0]);
    int64_t top = (int64_t)floorf(d->box[1]);
    int64_t right = (int64_t)ceilf(d->box[2]) - 1;
    int64_t bottom = (int64_t)ceilf(d->box[3]) - 1;
    draw_rectangle(image, left, top, right, bottom, scale, palette_color(d->label));
}

static void draw_name(struct image *image, const struct detection *d, const char *name,
                      int64_t scale) {
    char text[LABEL_BYTES];
    snprintf(text, sizeof text, "%.100s %.2f", name, (double)d->score);
    draw_label(image, (int64_t)floorf(d->box[0]), (int64_t)floorf(d->box[1]), text, scale,
               palette_color(d->label));
}

enum status overlay_draw(struct image *image, const struct detection_list *list,
                         const struct option_texts *names, struct arena *arena, struct error *err) {
    int64_t scale = scale_for(image);
    // The best come last, on top; all labels above all masks.
    for (int64_t i = list->count - 1; i >= 0; i--) {
        const struct detection *d = &list->items[i];
        struct color color = palette_color(d->label);
        draw_mask(image, &d->mask, color, MASK_OPACITY);
        TRY(draw_mask_outline(image, &d->mask, color, arena, err));
        draw_box(image, d, scale);
    }
    for (int64_t i = list->count - 1; i >= 0; i--)
        draw_name(image, &list->items[i], names->items[list->items[i].label - 1], scale);
    return STATUS_OK;
}
