// Ids to positions: what is stored is found, and no choice of ids makes it slow.
#include "data/id_index.h"
#include "tests/harness.h"

static struct arena arena;
static struct error err;

static void finds_what_was_added(void) {
    static const int64_t ids[] = {0, 1, -1, INT64_MIN, INT64_MAX, INT64_C(1) << 32, 900100000257};
    enum { COUNT = sizeof ids / sizeof *ids };
    struct id_index index;
    REQUIRE(id_index_init(&index, COUNT, &arena, &err) == STATUS_OK);
    for (int64_t i = 0; i < COUNT; i++) {
        EXPECT_INT(id_index_find(&index, ids[i]), -1);
        EXPECT_INT(id_index_add(&index, ids[i], i), -1);
    }
    for (int64_t i = 0; i < COUNT; i++) {
        EXPECT_INT(id_index_find(&index, ids[i]), i);
        EXPECT_INT(id_index_add(&index, ids[i], 0), i); // the first stays
    }
    EXPECT_INT(id_index_find(&index, 2), -1);
}

static void empty_index(void) {
    struct id_index index;
    REQUIRE(id_index_init(&index, 0, &arena, &err) == STATUS_OK);
    EXPECT_INT(id_index_find(&index, 0), -1);
}

// Multiples of large powers of two, and the ids that share all high bits of their product with the
// golden ratio's 64 bits, which common hash functions multiply by: were they to share slots, this
// would take hours.
static void hostile_ids(void) {
    enum { COUNT = 1000000 };
    static const uint64_t steps[] = {1, UINT64_C(1) << 32, UINT64_C(1) << 44,
                                     UINT64_C(0xF1DE83E19937733D)};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        struct arena_mark mark = arena_mark(&arena);
        struct id_index index;
        REQUIRE(id_index_init(&index, COUNT, &arena, &err) == STATUS_OK);
        int64_t num_wrong = 0;
        for (int64_t i = 0; i < COUNT; i++) {
            int64_t id = (int64_t)((uint64_t)i * steps[s]);
            int64_t first = id_index_add(&index, id, i);
            num_wrong += id_index_find(&index, id) != (first < 0 ? i : first);
        }
        EXPECT_INT(num_wrong, 0);
        arena_release(&arena, mark);
    }
}

static void memory_ends(void) {
    struct arena small;
    struct id_index index;
    arena_init(&small, 64, 1 << 16);
    EXPECT_STATUS(id_index_init(&index, 10000, &small, &err), STATUS_MEMORY, &err);
    EXPECT_TEXT(err.message, "not enough memory for an index of ids (524288 bytes)");
    arena_destroy(&small);
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 16, 0);
    int code = run_cases(argc, argv,
                         (struct test_case[]){{"finds_what_was_added", finds_what_was_added},
                                              {"empty_index", empty_index},
                                              {"hostile_ids", hostile_ids},
                                              {"memory_ends", memory_ends},
                                              {0}});
    arena_destroy(&arena);
    return code;
}
