#include "data/overlay.h"

#include <math.h>

#include "data/draw.h"

enum { MASK_OPACITY = 112, SIDE_OF_A_SCALE = 640 };

// Pixels for each pixel of the font, and of lines: 1 on an image of 320 pixels, 6 on one of 4000.
static int64_t scale_for(const struct image *image) {
    int64_t longer = image->width > image->height ? image->width : image->height;
    int64_t scale = (longer + SIDE_OF_A_SCALE / 2) / SIDE_OF_A_SCALE;
    return scale > 1 ? scale : 1;
}

static void draw_box(struct image *image, const struct overlay_object *object, int64_t scale) {
    int64_t left = (int64_t)floorf(object->box[0]);
    int64_t top = (int64_t)floorf(object->box[1]);
    int64_t right = (int64_t)ceilf(object->box[2]) - 1;
    int64_t bottom = (int64_t)ceilf(object->box[3]) - 1;
    draw_rectangle(image, left, top, right, bottom, scale, palette_color(object->label));
}

enum status overlay_draw_objects(struct image *image, const struct overlay_object *objects,
                                 int64_t count, struct arena *arena, struct error *err) {
    int64_t scale = scale_for(image);
    for (int64_t i = count - 1; i >= 0; i--) {
        struct color color = palette_color(objects[i].label);
        draw_mask(image, objects[i].mask, color, MASK_OPACITY);
        TRY(draw_mask_outline(image, objects[i].mask, color, arena, err));
        draw_box(image, &objects[i], scale);
    }
    // All labels above all masks.
    for (int64_t i = count - 1; i >= 0; i--)
        draw_label(image, (int64_t)floorf(objects[i].box[0]), (int64_t)floorf(objects[i].box[1]),
                   objects[i].text, scale, palette_color(objects[i].label));
    return STATUS_OK;
}
