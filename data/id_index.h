// Ids of a file to positions in an array: a hash table with open addressing. COCO's ids are sparse
// and may be any 64-bit integer.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct id_index {
    int64_t capacity; // a power of two, at least twice the number of ids
    uint64_t seed;    // of the hash, drawn for each index
    int64_t *ids;
    int64_t *positions; // -1: free
};

// Room for up to max_ids ids, in arena.
MUST_CHECK enum status id_index_init(struct id_index *index, int64_t max_ids, struct arena *arena,
                                     struct error *err);

// Stores position under id and returns -1; if id is there already, changes nothing and returns its
// position.
int64_t id_index_add(struct id_index *index, int64_t id, int64_t position);

// The position stored under id, or -1.
int64_t id_index_find(const struct id_index *index, int64_t id);
