#include "base/arena.h"

#include "tests/harness.h"

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>

// Absurd sizes are to fail as malloc does, not to end the program.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}
#endif

static void alignment(void) {
    struct arena arena;
    arena_init(&arena, 1000, 0);
    for (int64_t size = 0; size < 100; size++)
        EXPECT_INT((int64_t)((uintptr_t)arena_alloc(&arena, size, 1) % 16), 0);
    for (int64_t size = 4096; size < 10000; size += 1111)
        EXPECT_INT((int64_t)((uintptr_t)arena_alloc(&arena, size, 1) % 64), 0);
    arena_destroy(&arena);
    EXPECT_INT(arena.reserved_bytes, 0);
}

// Many allocations of all sizes keep their own bytes.
static void allocations_do_not_overlap(void) {
    enum { COUNT = 400 };
    unsigned char *parts[COUNT];
    struct arena arena;
    arena_init(&arena, 512, 0);
    for (int i = 0; i < COUNT; i++) {
        int64_t size = (int64_t)i * 7 % 701;
        parts[i] = arena_alloc(&arena, size, 1);
        REQUIRE(parts[i]);
        memset(parts[i], i & 0xFF, (size_t)size);
    }
    for (int i = 0; i < COUNT; i++)
        for (int64_t j = 0; j < (int64_t)i * 7 % 701; j++)
            if (parts[i][j] != (i & 0xFF)) EXPECT_INT(parts[i][j], i & 0xFF);
    arena_destroy(&arena);
}

static void zeros_and_texts(void) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct arena_mark empty = arena_mark(&arena);
    char *dirty = arena_alloc(&arena, 100, 1);
    memset(dirty, 0xFF, 100);
    arena_release(&arena, empty);
    const char *zeros = arena_alloc_zero(&arena, 25, 4);
    for (int i = 0; i < 100; i++)
        EXPECT_INT(zeros[i], 0);
    EXPECT_TEXT(arena_copy_text(&arena, "abcdef", 3), "abc");
    EXPECT_TEXT(arena_copy_text(&arena, NULL, 0), "");
    arena_destroy(&arena);
}

static void marks(void) {
    struct arena arena;
    arena_init(&arena, 256, 0);
    char *kept = arena_copy_text(&arena, "kept", 4);
    struct arena_mark mark = arena_mark(&arena);
    const void *first = arena_alloc(&arena, 50, 1);
    for (int i = 0; i < 100; i++)
        REQUIRE(arena_alloc(&arena, 100, 1));
    int64_t grown = arena.reserved_bytes;
    arena_release(&arena, mark);
    EXPECT(arena.reserved_bytes < grown);
    EXPECT_TEXT(kept, "kept");
    EXPECT(arena_alloc(&arena, 50, 1) == first); // the same place again
    arena_release(&arena, (struct arena_mark){0});
    EXPECT_INT(arena.reserved_bytes, 0);
    EXPECT(arena_alloc(&arena, 1, 1)); // usable after everything was given back
    arena_destroy(&arena);
}

static void limits(void) {
    struct arena arena;
    arena_init(&arena, 1024, 4096);
    EXPECT(!arena_alloc(&arena, 5000, 1));
    EXPECT(arena_alloc(&arena, 1000, 1));
    int count = 0;
    while (arena_alloc(&arena, 1000, 1))
        count++;
    EXPECT(count >= 2 && count <= 3);
    EXPECT(arena.reserved_bytes <= 4096);
    arena_destroy(&arena);
}

static void impossible_sizes(void) {
    struct arena arena;
    arena_init(&arena, 1024, 0);
    EXPECT(!arena_alloc(&arena, INT64_MAX, 1));
    EXPECT(!arena_alloc(&arena, INT64_MAX / 2, 16));
    EXPECT(!arena_alloc(&arena, INT64_C(1) << 60, 8));
    EXPECT(!arena_alloc_zero(&arena, INT64_MAX / 4, 2));
    EXPECT(arena_alloc(&arena, 0, 8));
    arena_destroy(&arena);
}

static void adoption(void) {
    struct arena target;
    struct arena source;
    arena_init(&target, 128, 0);
    arena_init(&source, 128, 0);
    char *own = arena_copy_text(&target, "own", 3);
    struct arena_mark mark = arena_mark(&target);
    char *adopted = arena_copy_text(&source, "adopted", 7);
    for (int i = 0; i < 20; i++)
        REQUIRE(arena_alloc(&source, 100, 1));
    int64_t both = target.reserved_bytes + source.reserved_bytes;
    arena_adopt(&target, &source);
    arena_destroy(&source);
    EXPECT_INT(target.reserved_bytes, both);
    arena_release(&target, mark); // what was adopted stays: it lies behind the mark
    EXPECT_TEXT(own, "own");
    EXPECT_TEXT(adopted, "adopted");
    arena_adopt(&target, &source); // of nothing
    arena_adopt(&source, &target); // into an empty one
    EXPECT_TEXT(adopted, "adopted");
    EXPECT_INT(target.reserved_bytes, 0);
    arena_destroy(&target);
    arena_destroy(&source);
}

static void poison(void) {
#ifdef POISONS
    struct arena arena;
    arena_init(&arena, 1024, 0);
    struct arena_mark empty = arena_mark(&arena);
    char *first = arena_alloc(&arena, 10, 1);
    char *second = arena_alloc(&arena, 16, 1);
    EXPECT(!__asan_region_is_poisoned(first, 10));
    EXPECT(__asan_address_is_poisoned(first + 10));
    EXPECT(!__asan_region_is_poisoned(second, 16));
    EXPECT(__asan_address_is_poisoned(second + 16));
    EXPECT(__asan_address_is_poisoned(second - 1)); // the gap
    struct arena_mark mark = arena_mark(&arena);
    char *third = arena_alloc(&arena, 16, 1);
    arena_release(&arena, mark);
    EXPECT(__asan_address_is_poisoned(third));
    EXPECT(!__asan_address_is_poisoned(second));
    arena_release(&arena, empty);
    arena_destroy(&arena);
#else
    skip_case("needs AddressSanitizer");
#endif
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"alignment", alignment},
                         {"allocations_do_not_overlap", allocations_do_not_overlap},
                         {"zeros_and_texts", zeros_and_texts},
                         {"marks", marks},
                         {"limits", limits},
                         {"impossible_sizes", impossible_sizes},
                         {"adoption", adoption},
                         {"poison", poison},
                         {0},
                     });
}
