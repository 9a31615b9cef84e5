// Objects drawn on their image: masks in the colours of their classes, outlines, boxes and labels.
#pragma once

#include "data/image.h"
#include "data/rle.h"

struct overlay_object {
    const struct rle *mask; // as large as the image
    float box[4];           // x1, y1, x2, y2 in pixels
    int32_t label;          // number of the class, which decides the colour
    const char *text;       // written on the box
};

// Lines and letters grow with the image, so that they can be read on small and large ones. Objects
// that come first are drawn on top. Allocates scratch in arena and gives it back.
MUST_CHECK enum status overlay_draw_objects(struct image *image,
                                            const struct overlay_object *objects, int64_t count,
                                            struct arena *arena, struct error *err);
