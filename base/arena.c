#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
enum { GAP_BYTES = 16 };
#define POISON(pointer, bytes)   ASAN_POISON_MEMORY_REGION(pointer, bytes)
#define UNPOISON(pointer, bytes) ASAN_UNPOISON_MEMORY_REGION(pointer, bytes)
#else
enum { GAP_BYTES = 0 };
#define POISON(pointer, bytes)   ((void)(pointer), (void)(bytes))
#define UNPOISON(pointer, bytes) ((void)(pointer), (void)(bytes))
#endif

enum { BLOCK_ALIGNMENT = 64, LARGE_BYTES = 4096 };

struct arena_block {
    struct arena_block *older;
    int64_t capacity; // bytes of data
    int64_t used;
    _Alignas(BLOCK_ALIGNMENT) char data[];
};

void arena_init(struct arena *arena, int64_t block_bytes, int64_t limit_bytes) {
    CHECK(block_bytes > 0 && limit_bytes >= 0);
    *arena = (struct arena){.block_bytes = block_bytes, .limit_bytes = limit_bytes};
}

static void free_block(struct arena *arena, struct arena_block *block) {
    UNPOISON(block->data, (size_t)block->capacity);
    arena->reserved_bytes -= block->capacity;
    free(block);
}

void arena_destroy(struct arena *arena) {
    arena_release(arena, (struct arena_mark){0});
}

static struct arena_block *add_block(struct arena *arena, int64_t bytes) {
    int64_t capacity = bytes > arena->block_bytes ? bytes : arena->block_bytes;
    capacity = (capacity + BLOCK_ALIGNMENT - 1) / BLOCK_ALIGNMENT * BLOCK_ALIGNMENT;
    if (arena->limit_bytes && arena->reserved_bytes + capacity > arena->limit_bytes) return NULL;
    struct arena_block *block = aligned_alloc(BLOCK_ALIGNMENT, sizeof *block + (size_t)capacity);
    if (!block) return NULL;
    *block = (struct arena_block){.older = arena->current, .capacity = capacity};
    POISON(block->data, (size_t)capacity);
    arena->current = block;
    arena->reserved_bytes += capacity;
    return block;
}

static int64_t aligned_start(const struct arena_block *block, int64_t alignment) {
    return (block->used + alignment - 1) / alignment * alignment;
}

void *arena_alloc(struct arena *arena, int64_t count, size_t item_bytes) {
    CHECK(count >= 0);
    int64_t bytes = 0;
    if (__builtin_mul_overflow(count, (int64_t)item_bytes, &bytes)) return NULL;
    if (bytes > INT64_MAX / 2) return NULL;
    int64_t alignment = bytes >= LARGE_BYTES ? BLOCK_ALIGNMENT : 16;
    struct arena_block *block = arena->current;
    if (!block || aligned_start(block, alignment) + bytes + GAP_BYTES > block->capacity) {
        block = add_block(arena, bytes + GAP_BYTES);
        if (!block) return NULL;
    }
    int64_t start = aligned_start(block, alignment);
    block->used = start + bytes + GAP_BYTES;
    UNPOISON(block->data + start, (size_t)bytes);
    return block->data + start;
}

void *arena_alloc_zero(struct arena *arena, int64_t count, size_t item_bytes) {
    void *memory = arena_alloc(arena, count, item_bytes);
    if (memory) memset(memory, 0, (size_t)count * item_bytes);
    return memory;
}

char *arena_copy_text(struct arena *arena, const char *text, int64_t size) {
    char *copy = arena_alloc(arena, size + 1, 1);
    if (!copy) return NULL;
    if (size) memcpy(copy, text, (size_t)size);
    copy[size] = '\0';
    return copy;
}

struct arena_mark arena_mark(const struct arena *arena) {
    return (struct arena_mark){arena->current, arena->current ? arena->current->used : 0};
}

void arena_release(struct arena *arena, struct arena_mark mark) {
    while (arena->current != mark.block) {
        CHECK(arena->current);
        struct arena_block *older = arena->current->older;
        free_block(arena, arena->current);
        arena->current = older;
    }
    if (!mark.block) return;
    CHECK(mark.used <= mark.block->used);
    POISON(mark.block->data + mark.used, (size_t)(mark.block->capacity - mark.used));
    mark.block->used = mark.used;
}

void arena_adopt(struct arena *target, struct arena *source) {
    if (!source->current) return;
    struct arena_block **tail = &target->current;
    while (*tail)
        tail = &(*tail)->older;
    *tail = source->current;
    target->reserved_bytes += source->reserved_bytes;
    source->current = NULL;
    source->reserved_bytes = 0;
}
