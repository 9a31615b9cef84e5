// Pictures of annotated images: overlays, thumbnails and crops.
#pragma once

#include "data/image.h"
#include "formats/annotated.h"
#include "train/folder.h"

// Draws the objects with their classes and, if they have any, scores.
MUST_CHECK enum status picture_draw(struct image *pixels, const struct annotated_image *image,
                                    const struct class_list *classes, struct arena *scratch,
                                    struct error *err);

// Writes to a file that was opened, and commits it; it is gone in any case.
MUST_CHECK enum status picture_save(struct output *out, const struct image *pixels, bool as_png,
                                    struct error *err);

// The same, no larger than what a gallery shows.
MUST_CHECK enum status picture_save_thumbnail(struct output *out, const struct image *pixels,
                                              struct arena *scratch, struct error *err);

// Writes folder/001-person.png: the object's box, transparent outside its mask. Nothing for an
// object without a pixel.
MUST_CHECK enum status picture_save_crop(const char *folder, int64_t number,
                                         const struct annotated_object *object,
                                         const struct class_list *classes,
                                         const struct image *pixels, struct arena *scratch,
                                         struct error *err);

// The way from the folder of file, which is there, to picture: "../../photos/a.jpg". False if there
// is none.
bool picture_relative_path(char relative[PATH_BYTES], const char *file, const char *picture);
