// Three counting passes over the scores find the last score that is taken, one more collects, and
// only what was taken is sorted.
#include "nn/top_k/top_k.h"

#include <math.h>
#include <string.h>

#include "nn/device.h"
#include "nn/radix_sort.h"

enum { DIGIT_BITS = 11, NUM_DIGITS = 1 << DIGIT_BITS };

// Smaller is better: the bits of a float, turned so that they order like the numbers. In 64 bits so
// that it can be shifted out entirely.
static inline uint64_t rank_of(float score) {
    if (isnan(score)) return UINT32_MAX;
    float value = score + 0.0f; // -0 and 0 are equal
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 31 ? bits : ~(bits | 0x80000000u);
}

// What is taken: all that ranks before last, and the first ties of those that rank as last.
struct cut {
    uint64_t last;
    int64_t ties;
};

// One digit of the k-th rank, 1 <= k <= count, after another, from the top.
static struct cut find_cut(const float *scores, int64_t count, int64_t k) {
    struct cut cut = {0, k};
    for (int shift = 2 * DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
        int64_t sizes[NUM_DIGITS] = {0};
        int above = shift + DIGIT_BITS;
        for (int64_t i = 0; i < count; i++) {
            uint64_t rank = rank_of(scores[i]);
            if (rank >> above == cut.last >> above) sizes[rank >> shift & (NUM_DIGITS - 1)]++;
        }
        uint64_t digit = 0;
        while (cut.ties > sizes[digit])
            cut.ties -= sizes[digit++];
        cut.last |= digit << shift;
    }
    return cut;
}

static void collect(const float *scores, int64_t count, struct cut cut, uint64_t *taken) {
    for (int64_t i = 0; i < count; i++) {
        uint64_t rank = rank_of(scores[i]);
        if (rank > cut.last || (rank == cut.last && cut.ties-- <= 0)) continue;
        *taken++ = rank << 32 | (uint64_t)i;
    }
}

void cpu_top_k_forward(struct nn *nn, struct call *base) {
    const struct top_k_call *call = (struct top_k_call *)base;
    int64_t k = call->out->count;
    if (k == 0) return;
    float *memory = nn_scratch(nn, 4 * k);
    if (!memory) return;
    uint64_t *taken = (uint64_t *)(void *)memory;
    collect(call->scores, call->count, find_cut(call->scores, call->count, k), taken);
    radix_sort(taken, taken + k, k);
    for (int64_t i = 0; i < k; i++)
        call->out->items[i] = (int32_t)(taken[i] & INT32_MAX);
    nn_scratch_free(nn, memory);
}
