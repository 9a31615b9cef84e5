#include "nn/radix_sort.h"

#include <string.h>

enum { DIGIT_BITS = 8, NUM_DIGITS = 1 << DIGIT_BITS };

static int64_t digit_of(uint64_t item, int shift) {
    return (int64_t)(item >> shift & (NUM_DIGITS - 1));
}

void radix_sort(uint64_t *items, uint64_t *spare, int64_t count) {
    uint64_t *from = items;
    uint64_t *to = spare;
    for (int shift = 32; count && shift < 64; shift += DIGIT_BITS) {
        int64_t places[NUM_DIGITS] = {0};
        for (int64_t i = 0; i < count; i++)
            places[digit_of(from[i], shift)]++;
        if (places[digit_of(from[0], shift)] == count) continue; // all alike
        int64_t begin = 0;
        for (int64_t d = 0; d < NUM_DIGITS; d++) {
            int64_t size = places[d];
            places[d] = begin;
            begin += size;
        }
        for (int64_t i = 0; i < count; i++)
            to[places[digit_of(from[i], shift)]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, (size_t)count * sizeof *items);
}
