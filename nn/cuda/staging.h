// Memory of the program that the device reaches, too: for what the program writes while the device
// computes. Lives until the next step begins; then it serves again.
#pragma once

#include "nn/nn.h"

struct staging_block;

struct staging {
    struct staging_block *first, *current;
    int64_t used_bytes; // of current
};

// NULL after a failure, which becomes nn's.
void *staging_alloc(struct nn *nn, int64_t bytes);

// Everything is free again; nothing may be in use any more.
void staging_reset(struct staging *staging);

// Frees the books; the memory is the device's to free.
void staging_destroy(struct staging *staging);
