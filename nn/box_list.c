#include "nn/box_list.h"

// The arrays are parts of one buffer; 32-bit integers take the place of floats.
enum { FLOATS_PER_BOX = 8 };

_Static_assert(sizeof(float) == sizeof(int32_t), "a float's place holds an index");

void box_list_create(struct nn *nn, struct box_list *list, int64_t capacity) {
    *list = (struct box_list){.capacity = capacity};
    float *memory = nn_scratch(nn, FLOATS_PER_BOX * capacity);
    if (!memory) return;
    list->boxes = memory;
    list->scores = memory + 4 * capacity;
    list->images = (int32_t *)(void *)(memory + 5 * capacity);
    list->labels = (int32_t *)(void *)(memory + 6 * capacity);
    list->levels = (int32_t *)(void *)(memory + 7 * capacity);
}

void box_list_release(struct nn *nn, struct box_list *list) {
    nn_scratch_free(nn, list->boxes);
    *list = (struct box_list){0};
}
