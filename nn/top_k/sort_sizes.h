// How keys are sorted on CUDA, for the kernels and for those who count what they cost.
#pragma once

#include <stdint.h>

enum { SORT_CHUNK = 2048 }; // keys that one block sorts in shared memory

// Room for the sorting of count keys.
static inline int64_t sort_capacity(int64_t count) {
    int64_t capacity = SORT_CHUNK;
    while (capacity < count)
        capacity *= 2;
    return capacity;
}
