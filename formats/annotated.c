#include "formats/annotated.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { BLOCK_BYTES = 1 << 16 };

void annotated_set_init(struct annotated_set *set) {
    *set = (struct annotated_set){0};
    arena_init(&set->arena, BLOCK_BYTES, 0);
}

void annotated_set_destroy(struct annotated_set *set) {
    for (int64_t i = 0; i < set->num_images; i++)
        array_free(&set->images[i].objects);
    array_free(&set->images);
    array_free(&set->classes.items);
    if (set->arena.block_bytes > 0) arena_destroy(&set->arena);
    *set = (struct annotated_set){0};
}

enum status annotated_set_add_image(struct annotated_set *set, struct annotated_image **image,
                                    struct error *err) {
    TRY(array_reserve(&set->images, &set->image_capacity, set->num_images + 1, sizeof *set->images,
                      err));
    *image = &set->images[set->num_images++];
    **image = (struct annotated_image){0};
    return STATUS_OK;
}

enum status annotated_image_add_object(struct annotated_image *image,
                                       struct annotated_object **object, struct error *err) {
    TRY(array_reserve(&image->objects, &image->object_capacity, image->num_objects + 1,
                      sizeof *image->objects, err));
    *object = &image->objects[image->num_objects++];
    **object = (struct annotated_object){0};
    return STATUS_OK;
}

enum status annotated_set_need_class(struct annotated_set *set, const char *name,
                                     int64_t *class_index, struct error *err) {
    struct class_list *classes = &set->classes;
    int64_t last_id = 0;
    for (*class_index = 0; *class_index < classes->count; ++*class_index) {
        const struct coco_category *class = &classes->items[*class_index];
        if (strcmp(class->name, name) == 0) return STATUS_OK;
        if (class->id > last_id) last_id = class->id;
    }
    TRY(array_reserve(&classes->items, &classes->capacity, classes->count + 1,
                      sizeof *classes->items, err));
    const char *copy = arena_copy_text(&set->arena, name, (int64_t)strlen(name));
    if (!copy) return error_memory(err, "a class", (long long)strlen(name));
    classes->items[classes->count++] =
        (struct coco_category){.id = last_id + 1, .name = copy, .supercategory = ""};
    return STATUS_OK;
}

static int compare_images(const void *a, const void *b) {
    return strcmp(((const struct annotated_image *)a)->name,
                  ((const struct annotated_image *)b)->name);
}

static int compare_classes(const void *a, const void *b) {
    return strcmp(((const struct coco_category *)a)->name, ((const struct coco_category *)b)->name);
}

enum status annotated_set_number(struct annotated_set *set, struct error *err) {
    struct class_list *classes = &set->classes;
    int64_t *places = arena_alloc(&set->arena, classes->count, sizeof *places);
    if (!places) return error_memory(err, "classes", classes->count * 8);
    // Ids are still the order of appearance, 1 and on: they tell where each class went.
    if (classes->count > 0)
        qsort(classes->items, (size_t)classes->count, sizeof *classes->items, compare_classes);
    for (int64_t i = 0; i < classes->count; i++) {
        places[classes->items[i].id - 1] = i;
        classes->items[i].id = i + 1;
    }
    if (set->num_images > 0)
        qsort(set->images, (size_t)set->num_images, sizeof *set->images, compare_images);
    for (int64_t i = 0; i < set->num_images; i++) {
        struct annotated_image *image = &set->images[i];
        image->id = i + 1;
        for (int64_t k = 0; k < image->num_objects; k++)
            image->objects[k].class_index = places[image->objects[k].class_index];
    }
    return STATUS_OK;
}

struct coco_box annotated_box(const struct annotated_object *object) {
    return object->has_box ? object->box : rle_box(&object->mask);
}

double annotated_iou(const struct rle *mask, const struct rle *read) {
    int64_t shared = rle_intersection_area(mask, read);
    int64_t whole = rle_area(mask) + rle_area(read) - shared;
    return whole == 0 ? 1 : (double)shared / (double)whole;
}
