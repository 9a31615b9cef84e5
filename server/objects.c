#include "server/objects.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

static double rounded(double value, double unit) {
    return rint(value * unit) / unit + 0.0; // no negative zero
}

static void round_numbers(struct shown_object *shown) {
    shown->score = rounded(shown->score, 1e5);
    for (int i = 0; i < 4; i++)
        shown->box[i] = rounded(shown->box[i], 100);
    for (int i = 0; i < 2; i++)
        shown->edge[i] = rounded(shown->edge[i], 100);
}

static bool show(struct shown_object *shown, const struct detection *d, int64_t place,
                 const struct model_facts *model) {
    bool finite = isfinite(d->score);
    double corner[4];
    for (int i = 0; i < 4; i++) {
        finite = finite && isfinite(d->box[i]);
        corner[i] = (double)d->box[i];
    }
    if (!finite) return false;
    CHECK(d->label >= 1 && d->label <= model->num_classes);
    *shown = (struct shown_object){
        .score = (double)d->score,
        .box = {corner[0], corner[1], corner[2] - corner[0], corner[3] - corner[1]},
        .edge = {corner[2], corner[3]},
        .category_id = model->category_ids[d->label - 1],
        .category = model->names[d->label - 1],
        .mask = &d->mask,
        .place = place,
    };
    return true;
}

static int compare(const void *a, const void *b) {
    const struct shown_object *left = a;
    const struct shown_object *right = b;
    if (left->score != right->score) return left->score > right->score ? -1 : 1;
    if (left->category_id != right->category_id)
        return left->category_id < right->category_id ? -1 : 1;
    for (int i = 0; i < 4; i++)
        if (left->box[i] != right->box[i]) return left->box[i] < right->box[i] ? -1 : 1;
    return left->place < right->place ? -1 : 1;
}

bool shown_objects_of(struct shown_objects *objects, const struct detection_list *list, bool round,
                      const struct model_facts *model, struct arena *arena, struct fault *fault) {
    struct error err = {.code = STATUS_MEMORY};
    objects->count = list->count;
    objects->items = arena_alloc(arena, list->count, sizeof *objects->items);
    if (!objects->items) return fault_of_error(fault, FAULT_INTERNAL, &err);
    for (int64_t i = 0; i < list->count; i++) {
        if (!show(&objects->items[i], &list->items[i], i, model))
            return fault_set(fault, FAULT_NON_FINITE_OUTPUT,
                             "the model's result is not a finite number");
        if (round) round_numbers(&objects->items[i]);
    }
    if (round) qsort(objects->items, (size_t)objects->count, sizeof *objects->items, compare);
    return true;
}
