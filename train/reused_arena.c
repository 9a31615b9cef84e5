#include "train/reused_arena.h"

// The first block, which the mark keeps. Without memory there is none, and the work itself will
// find that out.
static void begin(struct reused_arena *reused) {
    (void)arena_alloc(&reused->arena, 1, 1);
    reused->start = arena_mark(&reused->arena);
}

void reused_arena_init(struct reused_arena *reused, int64_t block_bytes) {
    arena_init(&reused->arena, block_bytes, 0);
    begin(reused);
}

void reused_arena_destroy(struct reused_arena *reused) {
    arena_destroy(&reused->arena);
}

void reused_arena_empty(struct reused_arena *reused) {
    int64_t held = reused->arena.reserved_bytes;
    arena_release(&reused->arena, reused->start);
    if (held == reused->arena.reserved_bytes) return;
    arena_destroy(&reused->arena);
    arena_init(&reused->arena, held, 0);
    begin(reused);
}
