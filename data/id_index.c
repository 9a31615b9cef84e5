#include "data/id_index.h"

#include <sys/random.h>

#include "base/check.h"

// Ids come from files that anybody may have written. With a hash known beforehand they could be
// chosen to share one slot, and each search would walk over all of them.
static uint64_t draw_seed(void) {
    uint64_t seed = 0;
    (void)!getrandom(&seed, sizeof seed, GRND_NONBLOCK); // without, 0 serves
    return seed;
}

enum status id_index_init(struct id_index *index, int64_t max_ids, struct arena *arena,
                          struct error *err) {
    CHECK(max_ids >= 0);
    int64_t capacity = 4;
    while (capacity < 2 * max_ids)
        capacity *= 2;
    *index = (struct id_index){.capacity = capacity, .seed = draw_seed()};
    index->ids = arena_alloc(arena, capacity, sizeof *index->ids);
    index->positions = arena_alloc(arena, capacity, sizeof *index->positions);
    if (!index->ids || !index->positions)
        return error_memory(err, "an index of ids", capacity * 2 * (long long)sizeof(int64_t));
    for (int64_t i = 0; i < capacity; i++)
        index->positions[i] = -1;
    return STATUS_OK;
}

// Every bit of x bears on every bit of the result (Stafford's mix 13, which SplitMix64 uses).
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

// The slot that holds id, or the free one where it belongs.
static int64_t find_slot(const struct id_index *index, int64_t id) {
    int64_t mask = index->capacity - 1;
    int64_t slot = (int64_t)mix((uint64_t)id ^ index->seed) & mask;
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
