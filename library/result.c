// Results: made once, then only read.
#include <string.h>

#include "library/gctmask_internal.h"

static enum status copy_string(struct gctmask_detection *d, const struct rle *mask,
                               struct arena *arena, struct error *err) {
    struct output text;
    output_open_memory(&text);
    rle_write_string(mask, &text);
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK) {
        d->mask_string = arena_copy_text(arena, text.data ? text.data : "", text.size);
        if (!d->mask_string) status = error_memory(err, "a mask", text.size);
    }
    output_discard(&text);
    return status;
}

static enum status fill(struct gctmask_detection *d, const struct gctmask_model *model,
                        const struct detection *found, struct arena *arena, struct error *err) {
    const char *name = detector_class_name(&model->detector, found->label);
    *d = (struct gctmask_detection){
        .score = found->score,
        .label = found->label,
        .category_id = detector_category_id(&model->detector, found->label),
        .class_name = arena_copy_text(arena, name, (int64_t)strlen(name)),
        .mask_height = found->mask.height,
        .mask_width = found->mask.width,
        .mask_area = rle_area(&found->mask),
        .mask_num_runs = found->mask.num_runs,
        .mask_runs = found->mask.runs,
    };
    memcpy(d->box, found->box, sizeof d->box);
    if (!d->class_name) return error_memory(err, "a class", (long long)strlen(name));
    return copy_string(d, &found->mask, arena, err);
}

enum status result_create(struct gctmask_result **result, const struct gctmask_model *model,
                          const struct image *image, const struct detection_list *list,
                          struct arena *arena, struct error *err) {
    struct gctmask_result *made = arena_alloc_zero(arena, 1, sizeof *made);
    struct gctmask_detection *items = arena_alloc(arena, list->count, sizeof *items);
    if (!made || !items) return error_memory(err, "a result", list->count);
    for (int64_t i = 0; i < list->count; i++)
        TRY(fill(&items[i], model, &list->items[i], arena, err));
    made->image_width = image->width;
    made->image_height = image->height;
    made->num_detections = list->count;
    made->detections = items;
    made->arena = *arena; // its blocks stay where they are
    *arena = (struct arena){0};
    *result = made;
    return STATUS_OK;
}

int32_t gctmask_image_width(const struct gctmask_result *result) {
    return result ? result->image_width : 0;
}

int32_t gctmask_image_height(const struct gctmask_result *result) {
    return result ? result->image_height : 0;
}

int64_t gctmask_num_detections(const struct gctmask_result *result) {
    return result ? result->num_detections : 0;
}

const struct gctmask_detection *gctmask_detection(const struct gctmask_result *result,
                                                  int64_t index) {
    bool exists = index >= 0 && index < gctmask_num_detections(result);
    return exists ? &result->detections[index] : NULL;
}

void gctmask_mask_bytes(const struct gctmask_detection *detection, uint8_t *bytes) {
    if (!detection || !bytes) return;
    const struct rle mask = {detection->mask_height, detection->mask_width,
                             detection->mask_num_runs, detection->mask_runs};
    rle_decode(&mask, bytes);
}

void gctmask_free(struct gctmask_result *result) {
    if (!result) return;
    struct arena arena = result->arena; // the result lies in it
    arena_destroy(&arena);
}
