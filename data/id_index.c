#include "data/id_index.h"

#include "base/check.h"

enum status id_index_init(struct id_index *index, int64_t max_ids, struct arena *arena,
                          struct error *err) {
    CHECK(max_ids >= 0);
    int64_t capacity = 4;
    while (capacity < 2 * max_ids)
        capacity *= 2;
    *index = (struct id_index){.capacity = capacity};
    index->ids = arena_alloc(arena, capacity, sizeof *index->ids);
    index->positions = arena_alloc(arena, capacity, sizeof *index->positions);
    if (!index->ids || !index->positions)
        return error_memory(err, "an index of ids", capacity * 2 * (long long)sizeof(int64_t));
    for (int64_t i = 0; i < capacity; i++)
        index->positions[i] = -1;
    return STATUS_OK;
}

// The slot that holds id, or the free one where it belongs.
static int64_t find_slot(const struct id_index *index, int64_t id) {
    // Multiplying by an odd constant spreads consecutive ids over the high bits (Knuth, TAOCP 6.4).
    uint64_t hash = (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15);
    int64_t mask = index->capacity - 1;
    int64_t slot = (int64_t)(hash >> 32) & mask;
    while (index->positions[slot] >= 0 && index->ids[slot] != id)
        slot = (slot + 1) & mask;
    return slot;
}

int64_t id_index_add(struct id_index *index, int64_t id, int64_t position) {
    CHECK(position >= 0 && position < index->capacity / 2);
    int64_t slot = find_slot(index, id);
    if (index->positions[slot] >= 0) return index->positions[slot];
    index->ids[slot] = id;
    index->positions[slot] = position;
    return -1;
}

int64_t id_index_find(const struct id_index *index, int64_t id) {
    return index->positions[find_slot(index, id)];
}
