// Step memory: which parts of one large region are in use.
//
// A forward pass takes and gives back buffers of many sizes in an order that repeats, so first fit
// with merging of neighbours keeps the region small, and the second pass finds everything as the
// first left it: no call of malloc, no page fault. The heap deals in offsets and keeps its books
// outside the region, so it serves memory that the processor cannot touch (a GPU's) and memory that
// does not exist (the plan device, which only measures).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { HEAP_ALIGNMENT = 64 }; // of offsets, in bytes

struct heap_span {
    int64_t offset;
    int64_t bytes; // a multiple of HEAP_ALIGNMENT
    int64_t asked; // of a used span: the bytes that heap_alloc was asked for
    bool used;
};

struct heap {
    struct heap_span *spans; // neighbours, in order; together they cover the capacity
    int64_t num_spans;
    int64_t capacity;
    int64_t used_bytes;
    int64_t peak_bytes; // highest end of a used span since heap_create
};

MUST_CHECK enum status heap_create(struct heap *heap, int64_t capacity, struct error *err);
void heap_destroy(struct heap *heap);

// Offset of bytes (0 is fine) of free memory, or -1 if no span is large enough.
int64_t heap_alloc(struct heap *heap, int64_t bytes);

// offset must come from heap_alloc and be in use.
void heap_free(struct heap *heap, int64_t offset);

// Everything is free again.
void heap_reset(struct heap *heap);

// The used span that starts at offset; a programmer error if there is none.
const struct heap_span *heap_span_at(const struct heap *heap, int64_t offset);
