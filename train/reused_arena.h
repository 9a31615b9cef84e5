// An arena for work that repeats: emptied for each time, it soon holds one block, large enough for
// all of the work, and then asks the system for nothing more.
#pragma once

#include "base/arena.h"

struct reused_arena {
    struct arena arena;
    struct arena_mark start;
};

void reused_arena_init(struct reused_arena *reused, int64_t block_bytes);
void reused_arena_destroy(struct reused_arena *reused); // a zeroed one is fine

// Gives back all that was allocated. If that was in several blocks, they become one.
void reused_arena_empty(struct reused_arena *reused);
