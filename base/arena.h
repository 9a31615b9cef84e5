// Memory by lifetime: many allocations, one free.
//
// A function that allocates takes a struct arena; one without it does not allocate. There is no
// free of a single object: the arena is reset, or released to a mark, when the lifetime ends (a
// model, a training step, the scratch of one operation, one request). Under AddressSanitizer, the
// memory that is not handed out is poisoned, and a gap follows each allocation.
//
// Not thread-safe: one arena belongs to one thread at a time.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *current; // newest block; older ones hang behind it
    int64_t block_bytes;         // size of the next ordinary block
    int64_t limit_bytes;         // the sum of all blocks never exceeds this
    int64_t reserved_bytes;      // sum of all blocks
};

struct arena_mark {
    struct arena_block *block;
    int64_t used;
};

// Prepares an empty arena; nothing is allocated yet. limit_bytes 0 means no limit of its own.
void arena_init(struct arena *arena, int64_t block_bytes, int64_t limit_bytes);

// Frees everything. The arena is empty afterwards and may be used again.
void arena_destroy(struct arena *arena);

// Uninitialised memory for count items of item_bytes, aligned to 16 bytes (64 for allocations of
// 4 KiB and more). NULL when memory or the limit is exhausted or the product overflows.
void *arena_alloc(struct arena *arena, int64_t count, size_t item_bytes);

// The same, filled with zeros.
void *arena_alloc_zero(struct arena *arena, int64_t count, size_t item_bytes);

// NUL-terminated copy of size bytes of text; NULL when memory is exhausted.
char *arena_copy_text(struct arena *arena, const char *text, int64_t size);

// Everything allocated after the mark is given back by arena_release; blocks that this empties are
// freed, but for the one that holds the mark.
struct arena_mark arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, struct arena_mark mark);

// Moves all blocks of source behind those of target, leaving source empty: what several threads
// allocated in arenas of their own gets one lifetime.
void arena_adopt(struct arena *target, struct arena *source);
