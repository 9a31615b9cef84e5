#include "nn/cuda/staging.h"

#include <stdlib.h>

#include "nn/cuda/backend.h"
#include "nn/cuda/module.h"

static const int64_t BLOCK_BYTES = (int64_t)32 << 20;

struct staging_block {
    char *memory;
    int64_t bytes;
    struct staging_block *next;
};

static bool has_room(const struct staging *staging, int64_t bytes) {
    return staging->current && staging->current->bytes - staging->used_bytes >= bytes;
}

static struct staging_block *make_block(struct nn *nn, int64_t bytes) {
    struct error err;
    void *memory = NULL;
    struct staging_block *block = malloc(sizeof *block);
    if (!block) {
        nn_fail(nn, STATUS_MEMORY, "memory for a device to read: out of memory");
        return NULL;
    }
    if (cuda_allocate_pinned(nn, bytes, &memory, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s", err.message);
        free(block);
        return NULL;
    }
    *block = (struct staging_block){memory, bytes, NULL};
    return block;
}

// Goes on to the next block, which is made where there is none or it is too small.
static bool next_block(struct nn *nn, struct staging *staging, int64_t bytes) {
    struct staging_block **next = staging->current ? &staging->current->next : &staging->first;
    if (!*next || (*next)->bytes < bytes) {
        struct staging_block *block = make_block(nn, bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES);
        if (!block) return false;
        block->next = *next;
        *next = block;
    }
    staging->current = *next;
    staging->used_bytes = 0;
    return true;
}

void *staging_alloc(struct nn *nn, int64_t bytes) {
    struct staging *staging = &nn->cuda->staging;
    if (nn_failed(nn)) return NULL;
    bytes = (bytes + HEAP_ALIGNMENT - 1) / HEAP_ALIGNMENT * HEAP_ALIGNMENT;
    if (!has_room(staging, bytes) && !next_block(nn, staging, bytes)) return NULL;
    void *memory = staging->current->memory + staging->used_bytes;
    staging->used_bytes += bytes;
    return memory;
}

void staging_reset(struct staging *staging) {
    staging->current = staging->first;
    staging->used_bytes = 0;
}

void staging_destroy(struct staging *staging) {
    while (staging->first) {
        struct staging_block *block = staging->first;
        staging->first = block->next;
        free(block);
    }
    *staging = (struct staging){0};
}
