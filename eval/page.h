// What the parts of the HTML page share. Private to eval/, but for the style and the script at the
// end, which the page of training charts has too.
#pragma once

#include "eval/html.h"
#include "eval/svg.h"

struct page {
    struct output *out; // index.html
    const char *folder;
    const struct html_options *options;
    struct id_index pictures; // of images: whether a file is in folder/images
    struct arena arena;       // lives as long as the page
};

// Puts a JPEG of the image, at most 1024 pixels wide or high, into the page's folder, once. *exists
// is false if there is no image folder or the file there cannot be read: the page then shows the
// outlines on an empty canvas.
MUST_CHECK enum status page_need_picture(struct page *page, const struct coco_image *image,
                                         bool *exists, struct error *err);

// The images with the most errors, with what was found, missed and invented drawn on them.
MUST_CHECK enum status page_write_gallery(struct page *page, const struct report *report,
                                          struct error *err);

// Cut-outs for the first label errors, and a table of more of them.
MUST_CHECK enum status page_write_label_errors(struct page *page, const struct report *report,
                                               struct error *err);

// ---- Drawing on images (page_drawing.c) ----

// An annotation or result in its image.
struct placed_shape {
    bool has_mask;
    struct rle mask;
    struct coco_box box;
};

// Looks at the mask only if the IoU kind does and the image's size is known. The mask lives in
// arena.
MUST_CHECK enum status place_shape(struct placed_shape *shape,
                                   const struct coco_annotation *annotation,
                                   const struct coco_image *image, enum iou_kind iou,
                                   struct arena *arena, struct error *err);

enum { CANVAS_MAX_NAMES = 64 };

struct canvas {
    const struct coco_image *image;
    double width, height; // of the image in pixels, or of all that is known to lie on it
    struct coco_box view; // the part that is shown
    bool has_names;       // written beside the outlines, not only shown on hovering
    struct coco_box names[CANVAS_MAX_NAMES]; // where those written so far stand
    int num_names;
};

struct canvas canvas_of(const struct scenes *scenes, const struct scene *scene);

// Begins a picture: the image's file, or a plain ground. label is for those who do not see it.
MUST_CHECK enum status canvas_begin(struct page *page, const struct canvas *canvas,
                                    const char *label, struct error *err);
void canvas_end(struct page *page);

// Draws outline and name; kind is a class of the style sheet. score < 0: none is shown.
MUST_CHECK enum status canvas_draw(struct page *page, struct canvas *canvas,
                                   const struct placed_shape *shape, const char *kind,
                                   const char *name, double score, struct error *err);

// ---- Fixed texts (page_style.c) ----

// Both are in pieces, the last NULL.
extern const char *const page_style[];
extern const char *const page_script[];
