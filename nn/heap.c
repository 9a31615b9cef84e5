#include "nn/heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { MAX_SPANS = 1 << 15 }; // a training step of the deepest model has some 3000

enum status heap_create(struct heap *heap, int64_t capacity, struct error *err) {
    *heap = (struct heap){.capacity = capacity / HEAP_ALIGNMENT * HEAP_ALIGNMENT};
    heap->spans = malloc(MAX_SPANS * sizeof *heap->spans);
    if (!heap->spans)
        return error_memory(err, "step memory", MAX_SPANS * (long long)sizeof *heap->spans);
    heap_reset(heap);
    return STATUS_OK;
}

void heap_destroy(struct heap *heap) {
    free(heap->spans);
    *heap = (struct heap){0};
}

void heap_reset(struct heap *heap) {
    heap->spans[0] = (struct heap_span){.offset = 0, .bytes = heap->capacity};
    heap->num_spans = 1;
    heap->used_bytes = 0;
}

int64_t heap_alloc(struct heap *heap, int64_t bytes) {
    CHECK(bytes >= 0);
    if (bytes > heap->capacity) return -1;
    int64_t asked = bytes;
    // An empty buffer gets a span as well, so that every buffer has an offset of its own.
    bytes = bytes ? (bytes + HEAP_ALIGNMENT - 1) / HEAP_ALIGNMENT * HEAP_ALIGNMENT : HEAP_ALIGNMENT;
    for (int64_t i = 0; i < heap->num_spans; i++) {
        struct heap_span *span = &heap->spans[i];
        if (span->used || span->bytes < bytes) continue;
        if (span->bytes > bytes) {
            if (heap->num_spans == MAX_SPANS) return -1;
            memmove(span + 1, span, (size_t)(heap->num_spans - i) * sizeof *span);
            heap->num_spans++;
            span[1].offset += bytes;
            span[1].bytes -= bytes;
            span->bytes = bytes;
        }
        span->used = true;
        span->asked = asked;
        heap->used_bytes += bytes;
        int64_t end = span->offset + bytes;
        if (end > heap->peak_bytes) heap->peak_bytes = end;
        return span->offset;
    }
    return -1;
}

static int64_t find(const struct heap *heap, int64_t offset) {
    int64_t low = 0;
    int64_t high = heap->num_spans - 1;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (heap->spans[middle].offset <= offset)
            low = middle;
        else
            high = middle - 1;
    }
    CHECK(heap->spans[low].offset == offset && heap->spans[low].used);
    return low;
}

const struct heap_span *heap_span_at(const struct heap *heap, int64_t offset) {
    return &heap->spans[find(heap, offset)];
}

// Merges span i + 1 into span i.
static void merge(struct heap *heap, int64_t i) {
    struct heap_span *span = &heap->spans[i];
    span->bytes += span[1].bytes;
    memmove(span + 1, span + 2, (size_t)(heap->num_spans - i - 2) * sizeof *span);
    heap->num_spans--;
}

void heap_free(struct heap *heap, int64_t offset) {
    int64_t i = find(heap, offset);
    heap->spans[i].used = false;
    heap->used_bytes -= heap->spans[i].bytes;
    if (i + 1 < heap->num_spans && !heap->spans[i + 1].used) merge(heap, i);
    if (i > 0 && !heap->spans[i - 1].used) merge(heap, i - 1);
}
