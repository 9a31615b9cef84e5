#include "base/array.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { FIRST_CAPACITY = 16 };

// The owner's pointer has a type of its own, so it is read and written as bytes.
static void *items_at(const void *items_address) {
    void *items = NULL;
    memcpy(&items, items_address, sizeof items);
    return items;
}

static void set_items(void *items_address, void *items) {
    memcpy(items_address, &items, sizeof items);
}

enum status array_reserve(void *items_address, int64_t *capacity, int64_t needed, size_t item_bytes,
                          struct error *err) {
    CHECK(needed >= 0 && item_bytes > 0);
    if (needed <= *capacity) return STATUS_OK;
    int64_t grown = *capacity + *capacity / 2;
    if (grown < needed) grown = needed;
    if (grown < FIRST_CAPACITY) grown = FIRST_CAPACITY;
    if (grown > INT64_MAX / (int64_t)item_bytes) return error_memory(err, "an array", INT64_MAX);
    void *moved = realloc(items_at(items_address), (size_t)grown * item_bytes);
    if (!moved) return error_memory(err, "an array", grown * (int64_t)item_bytes);
    set_items(items_address, moved);
    *capacity = grown;
    return STATUS_OK;
}

void array_shrink(void *items_address, int64_t *capacity, int64_t count, size_t item_bytes) {
    if (count == *capacity || count == 0) return;
    void *moved = realloc(items_at(items_address), (size_t)count * item_bytes);
    if (!moved) return;
    set_items(items_address, moved);
    *capacity = count;
}

void array_free(void *items_address) {
    free(items_at(items_address));
    set_items(items_address, NULL);
}
