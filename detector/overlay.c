#include "detector/overlay.h"

#include <stdio.h>
#include <string.h>

#include "data/overlay.h"

enum { LABEL_BYTES = 128 };

enum status overlay_draw(struct image *image, const struct detection_list *list,
                         const struct option_texts *names, struct arena *arena, struct error *err) {
    struct arena_mark mark = arena_mark(arena);
    struct overlay_object *objects = arena_alloc(arena, list->count, sizeof *objects);
    char(*texts)[LABEL_BYTES] = arena_alloc(arena, list->count, sizeof *texts);
    if (!objects || !texts) return error_memory(err, "an overlay", list->count * LABEL_BYTES);
    for (int64_t i = 0; i < list->count; i++) {
        const struct detection *d = &list->items[i];
        objects[i] = (struct overlay_object){.mask = &d->mask, .label = d->label};
        objects[i].text = texts[i];
        memcpy(objects[i].box, d->box, sizeof d->box);
        snprintf(texts[i], LABEL_BYTES, "%.100s %.2f", names->items[d->label - 1],
                 (double)d->score);
    }
    TRY(overlay_draw_objects(image, objects, list->count, arena, err));
    arena_release(arena, mark);
    return STATUS_OK;
}
