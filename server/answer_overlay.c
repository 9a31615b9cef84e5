#include "server/answer_overlay.h"

#include "detector/overlay.h"

enum { JPEG_QUALITY = 90, PNG_COMPRESSION = 3 }; // an overlay is waited for

// The same detections with nothing in their masks.
static enum status without_masks(struct detection_list *list, const struct image *image,
                                 struct arena *arena, struct error *err) {
    uint32_t *run = arena_alloc(arena, 1, sizeof *run);
    struct detection *items = arena_alloc(arena, list->count, sizeof *items);
    if (!run || !items) return error_memory(err, "an overlay", list->count * 64);
    *run = (uint32_t)image->width * (uint32_t)image->height;
    for (int64_t i = 0; i < list->count; i++) {
        items[i] = list->items[i];
        items[i].mask = (struct rle){image->height, image->width, 1, run};
    }
    list->items = items;
    return STATUS_OK;
}

static enum status draw(struct output *out, const struct detect_request *request,
                        const struct detect_outcome *outcome, const struct model_facts *model,
                        struct arena *arena, struct error *err) {
    struct image image = outcome->image;
    struct detection_list list = outcome->list;
    const struct option_texts names = {model->names, model->num_classes};
    bool masked = request->options.mask != MASK_BOX && request->options.mask != MASK_NONE;
    if (!masked) TRY(without_masks(&list, &image, arena, err));
    TRY(overlay_draw(&image, &list, &names, arena, err));
    if (request->answer == ANSWER_JPEG) return image_write_jpeg(&image, JPEG_QUALITY, out, err);
    return image_write_png(image.pixels, image.width, image.height, SAMPLES_RGB8, PNG_COMPRESSION,
                           out, err);
}

bool answer_overlay_write(struct output *out, const struct detect_request *request,
                          const struct detect_outcome *outcome, const struct model_facts *model,
                          struct arena *arena, struct fault *fault) {
    struct error err;
    if (draw(out, request, outcome, model, arena, &err) == STATUS_OK) return true;
    return fault_of_error(fault, FAULT_INTERNAL, &err);
}
