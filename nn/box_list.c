#include "nn/box_list.h"

// The arrays are parts of one buffer; 32-bit integers take the place of floats.
enum { FLOATS_PER_BOX = 8 };

_Static_assert(sizeof(float) == sizeof(int32_t), "a float's place holds an index");

static void create(struct nn *nn, struct box_list *list, int64_t capacity, int64_t num_counts) {
    *list = (struct box_list){.capacity = capacity};
    float *memory = nn_scratch(nn, FLOATS_PER_BOX * capacity + num_counts);
    if (!memory) return;
    list->boxes = memory;
    list->scores = memory + 4 * capacity;
    list->images = (int32_t *)(void *)(memory + 5 * capacity);
    list->labels = (int32_t *)(void *)(memory + 6 * capacity);
    list->levels = (int32_t *)(void *)(memory + 7 * capacity);
    if (num_counts) list->counts = (int32_t *)(void *)(memory + 8 * capacity);
}

void box_list_create(struct nn *nn, struct box_list *list, int64_t capacity) {
    create(nn, list, capacity, 0);
}

void box_list_create_places(struct nn *nn, struct box_list *list, int64_t num_images,
                            int64_t each) {
    create(nn, list, num_images * each, num_images);
    list->count = list->capacity;
    list->each = each;
}

void box_list_release(struct nn *nn, struct box_list *list) {
    nn_scratch_free(nn, list->boxes);
    *list = (struct box_list){0};
}
