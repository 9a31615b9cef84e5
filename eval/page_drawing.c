#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/image.h"
#include "data/resize.h"
#include "eval/outline.h"
#include "eval/page.h"

enum { PICTURE_SIDE = 1024, JPEG_QUALITY = 85, PATH_BYTES = 4096 };

// ---- Photographs ----

// File names come from strangers: only those that stay in the folder are followed.
static bool is_inside(const char *name) {
    if (!name || !name[0] || name[0] == '/') return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return false;
    }
    return true;
}

// Loads the image no larger than the page needs it. False: it cannot be read, whatever the reason.
static bool load_picture(struct image *image, const char *path, struct arena *arena) {
    struct image_limits limits = image_limits_default();
    struct image full;
    if (image_load(&full, NULL, path, &limits, true, arena, NULL) != STATUS_OK) return false;
    int32_t longer = full.width > full.height ? full.width : full.height;
    *image = full;
    if (longer <= PICTURE_SIDE) return true;
    double scale = (double)PICTURE_SIDE / longer;
    int32_t width = (int32_t)fmax(1, rint(full.width * scale));
    int32_t height = (int32_t)fmax(1, rint(full.height * scale));
    return image_resize(image, &full, width, height, arena, NULL) == STATUS_OK;
}

static enum status save_picture(struct page *page, const struct coco_image *image,
                                const struct image *pixels, struct error *err) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/images/%lld.jpg", page->folder, (long long)image->id);
    struct output file;
    TRY(output_open_file(&file, path, err));
    enum status status = image_write_jpeg(pixels, JPEG_QUALITY, &file, err);
    if (status == STATUS_OK) status = output_commit(&file, err);
    output_discard(&file);
    return status;
}

enum status page_need_picture(struct page *page, const struct coco_image *image, bool *exists,
                              struct error *err) {
    int64_t known = id_index_find(&page->pictures, image->id);
    *exists = known > 0;
    if (known >= 0) return STATUS_OK;
    char path[PATH_BYTES];
    int length = -1;
    if (page->options->image_folder && is_inside(image->file_name))
        length =
            snprintf(path, sizeof path, "%s/%s", page->options->image_folder, image->file_name);
    struct arena_mark mark = arena_mark(&page->arena);
    struct image pixels;
    *exists = length > 0 && length < PATH_BYTES && load_picture(&pixels, path, &page->arena);
    enum status status = *exists ? save_picture(page, image, &pixels, err) : STATUS_OK;
    arena_release(&page->arena, mark);
    (void)id_index_add(&page->pictures, image->id, *exists);
    return status;
}

// ---- Shapes ----

enum status place_shape(struct placed_shape *shape, const struct coco_annotation *annotation,
                        const struct coco_image *image, enum iou_kind iou, struct arena *arena,
                        struct error *err) {
    *shape = (struct placed_shape){.box = annotation->box};
    bool is_sized = image->width > 0 && image->height > 0;
    bool has_segment = annotation->segment.kind != SEGMENT_NONE;
    if (!is_sized || !has_segment || (iou == IOU_BOX && annotation->has_box)) return STATUS_OK;
    TRY(coco_segment_to_rle(&shape->mask, &annotation->segment, image->height, image->width, arena,
                            err));
    shape->has_mask = true;
    if (!annotation->has_box) shape->box = rle_box(&shape->mask);
    return STATUS_OK;
}

static void stretch(struct canvas *canvas, const struct coco_box *box) {
    canvas->width = fmax(canvas->width, box->x + box->width);
    canvas->height = fmax(canvas->height, box->y + box->height);
}

struct canvas canvas_of(const struct scenes *scenes, const struct scene *scene) {
    struct canvas canvas = {
        .image = scene->image, .width = scene->image->width, .height = scene->image->height};
    if (canvas.width < 1 || canvas.height < 1) {
        canvas.width = 1;
        canvas.height = 1;
        for (int64_t t = 0; t < scene->num_truths; t++)
            stretch(&canvas, &scenes->truths[scene->truth_begin + t].annotation->box);
        for (int64_t r = 0; r < scene->num_results; r++)
            stretch(&canvas, &scenes->results[scene->result_begin + r].annotation->box);
    }
    canvas.view = (struct coco_box){0, 0, canvas.width, canvas.height};
    return canvas;
}

// Height of the letters, in pixels of the image.
static double name_size(const struct canvas *canvas) {
    return fmax(canvas->view.width, canvas->view.height) / 32;
}

enum status canvas_begin(struct page *page, const struct canvas *canvas, const char *label,
                         struct error *err) {
    bool exists = false;
    TRY(page_need_picture(page, canvas->image, &exists, err));
    const struct coco_box *view = &canvas->view;
    output_printf(page->out,
                  "<svg class=\"photo\" viewBox=\"%.6g %.6g %.6g %.6g\" role=\"img\" "
                  "aria-label=\"",
                  view->x, view->y, view->width, view->height);
    markup_text(page->out, label);
    output_printf(page->out, "\"><rect class=\"ground\" width=\"%.6g\" height=\"%.6g\"/>",
                  canvas->width, canvas->height);
    if (exists)
        output_printf(page->out,
                      "<image href=\"images/%lld.jpg\" width=\"%.6g\" height=\"%.6g\" "
                      "preserveAspectRatio=\"none\"/>",
                      (long long)canvas->image->id, canvas->width, canvas->height);
    output_text(page->out, "\n");
    return STATUS_OK;
}

void canvas_end(struct page *page) {
    output_text(page->out, "</svg>\n");
}

static bool overlap(const struct coco_box *a, const struct coco_box *b) {
    return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
           b->y < a->y + a->height;
}

// Moves a name down until it lies on no other; one that finds no place after some lines stays where
// it would have been.
static struct coco_box find_place(const struct canvas *canvas, struct coco_box wanted) {
    enum { MAX_LINES = 5 };
    struct coco_box place = wanted;
    for (int line = 0; line < MAX_LINES; line++) {
        bool is_free = place.y + place.height <= canvas->view.y + canvas->view.height;
        for (int i = 0; i < canvas->num_names && is_free; i++)
            is_free = !overlap(&place, &canvas->names[i]);
        if (is_free) return place;
        place.y += wanted.height;
    }
    return wanted;
}

static void draw_name(struct page *page, struct canvas *canvas, const struct coco_box *box,
                      const char *text) {
    const struct coco_box *view = &canvas->view;
    double size = name_size(canvas);
    const double letter_width = 0.62 * size; // on average, in the page's bold face
    double width = letter_width * (double)strlen(text);
    double x = fmax(fmin(box->x, view->x + view->width - width), view->x);
    double top = fmin(fmax(box->y - 1.3 * size, view->y), view->y + view->height - 1.2 * size);
    struct coco_box place = find_place(canvas, (struct coco_box){x, top, width, 1.2 * size});
    if (canvas->num_names < CANVAS_MAX_NAMES) canvas->names[canvas->num_names++] = place;
    output_printf(page->out, "<text x=\"%.1f\" y=\"%.1f\" style=\"font-size:%.1fpx\">", place.x,
                  place.y + size, size);
    markup_text(page->out, text);
    output_text(page->out, "</text>");
}

enum status canvas_draw(struct page *page, struct canvas *canvas, const struct placed_shape *shape,
                        const char *kind, const char *name, double score, struct error *err) {
    char text[256];
    if (score < 0)
        snprintf(text, sizeof text, "%s", name);
    else
        snprintf(text, sizeof text, "%.200s %.2f", name, score);
    output_printf(page->out, "<g class=\"%s\"><title>%s: ", kind, kind);
    markup_text(page->out, text);
    output_text(page->out, "</title>");
    const struct coco_box *box = &shape->box;
    if (shape->has_mask) {
        double tolerance = fmax(0.75, fmax(canvas->view.width, canvas->view.height) / 900);
        output_text(page->out, "<path d=\"");
        TRY(outline_write(page->out, &shape->mask, tolerance, &page->arena, err));
        output_text(page->out, "\"/>");
    } else {
        output_printf(page->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                      box->x, box->y, fmax(box->width, 0), fmax(box->height, 0));
    }
    if (canvas->has_names) draw_name(page, canvas, box, text);
    output_text(page->out, "</g>\n");
    return STATUS_OK;
}
