// Growable arrays for the few places where a count is known only at the end (a file read in one
// pass). The owner keeps pointer, count and capacity in its own struct:
//
//     TRY(array_reserve(&list->boxes, &list->capacity, list->count + 1, sizeof *list->boxes, err));
//     list->boxes[list->count++] = box;
//
// The first argument is always the address of the owner's typed pointer (NULL at first).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

// Makes room for at least needed items of item_bytes, growing *capacity by half or more. Existing
// items keep their values, new ones are uninitialised. On failure nothing changes.
MUST_CHECK enum status array_reserve(void *items_address, int64_t *capacity, int64_t needed,
                                     size_t item_bytes, struct error *err);

// Gives the unused tail behind count items back to the system.
void array_shrink(void *items_address, int64_t *capacity, int64_t count, size_t item_bytes);

// Frees the items and sets the owner's pointer to NULL.
void array_free(void *items_address);
