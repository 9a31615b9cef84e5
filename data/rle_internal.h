// What the files that make masks share.
#pragma once

#include "data/rle.h"

// Memory for count runs.
MUST_CHECK enum status rle_alloc_runs(uint32_t **runs, int64_t count, struct arena *arena,
                                      struct error *err);

// A mask is also the ascending positions, all below num_pixels, at which pixels begin to differ
// from the one before. Turns count of them, with room for one more, into run lengths; returns count
// + 1.
int64_t rle_changes_to_runs(uint32_t *changes, int64_t count, uint32_t num_pixels);

// Appends a position to the changes. Two changes at one position are none. Returns the new count.
static inline int64_t rle_push_change(uint32_t *changes, int64_t count, uint32_t position) {
    if (count > 0 && changes[count - 1] == position) return count - 1;
    changes[count] = position;
    return count + 1;
}
