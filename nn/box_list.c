#include "nn/box_list.h"

// The arrays are parts of one buffer; 32-bit integers take the place of floats.
enum { FLOATS_PER_BOX = 8 };

_Static_assert(sizeof(float) == sizeof(int32_t), "a float's place holds an index");

static int64_t num_floats(int64_t capacity, int64_t num_counts) {
    return FLOATS_PER_BOX * capacity + num_counts;
}

static void lay_out(struct box_list *list, float *memory, int64_t num_counts) {
    int64_t capacity = list->capacity;
    list->boxes = memory;
    list->scores = memory + 4 * capacity;
    list->images = (int32_t *)(void *)(memory + 5 * capacity);
    list->labels = (int32_t *)(void *)(memory + 6 * capacity);
    list->levels = (int32_t *)(void *)(memory + 7 * capacity);
    if (num_counts) list->counts = (int32_t *)(void *)(memory + 8 * capacity);
}

static void create(struct nn *nn, struct box_list *list, int64_t capacity, int64_t num_counts) {
    *list = (struct box_list){.capacity = capacity};
    float *memory = nn_scratch(nn, num_floats(capacity, num_counts));
    if (memory) lay_out(list, memory, num_counts);
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

struct box_list box_list_read(struct nn *nn, const struct box_list *list) {
    int64_t num_counts = list->each ? list->capacity / list->each : 0;
    int64_t bytes = num_floats(list->capacity, num_counts) * (int64_t)sizeof(float);
    struct box_list copy = *list;
    const float *memory = list->boxes ? nn_read(nn, list->boxes, bytes) : NULL;
    if (memory) lay_out(&copy, (float *)(uintptr_t)memory, num_counts); // which nobody writes to
    return copy;
}

void box_list_release(struct nn *nn, struct box_list *list) {
    nn_scratch_free(nn, list->boxes);
    *list = (struct box_list){0};
}
