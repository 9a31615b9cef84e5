// A page of all overlays, index.html, that works without a network: thumbnails with what was found,
// those with the least certain object first, to be filtered by class. The pictures beside it are
// those that tools/annotate_files.h writes.
#pragma once

#include "formats/annotated.h"
#include "tools/annotate_options.h"

struct gallery_card;

struct annotate_gallery {
    const struct annotate_output_options *options;
    const struct class_list *classes;
    struct gallery_card *cards;
    int64_t num_cards;
    int64_t card_capacity;
    int64_t *class_counts; // objects of each class
    int64_t num_objects;
    struct arena arena;
};

MUST_CHECK enum status gallery_init(struct annotate_gallery *gallery,
                                    const struct annotate_output_options *options,
                                    const struct class_list *classes, struct error *err);

// The image's name is borrowed.
MUST_CHECK enum status gallery_add(struct annotate_gallery *gallery,
                                   const struct annotated_image *image, struct error *err);

MUST_CHECK enum status gallery_save(struct annotate_gallery *gallery, struct error *err);
void gallery_destroy(struct annotate_gallery *gallery); // a zeroed one is fine
