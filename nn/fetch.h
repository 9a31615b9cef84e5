// Brings memory into the nearest caches before a kernel works on it, block by block.
//
// A kernel that sums into arrays reads them, too, and its loads from memory then come too far apart
// to keep the memory busy: half of its speed is lost. Reading one float of each cache line first,
// and nothing else, makes one plain stream; the kernel finds all of it in the cache.
#pragma once

#include <stdint.h>

enum { FETCH_FLOATS = 16 * 1024 }; // of a block: fits beside others in a core's second cache

static inline void fetch(const float *x, int64_t count) {
    enum { LINE_FLOATS = 16 };
    float sums[4] = {0};
    int64_t i = 0;
    for (; i + 4 * LINE_FLOATS <= count; i += 4 * LINE_FLOATS)
        for (int line = 0; line < 4; line++)
            sums[line] += x[i + line * LINE_FLOATS];
    for (; i < count; i += LINE_FLOATS)
        sums[0] += x[i];
    volatile float read = (sums[0] + sums[1]) + (sums[2] + sums[3]); // or the loop would vanish
    (void)read;
}
