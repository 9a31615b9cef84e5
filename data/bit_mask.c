#include <string.h>

#include "base/check.h"
#include "data/rle_internal.h"

enum { BLOCK_BITS = 64 };

// Sets bits begin..end-1.
static void set_bits(struct bit_block *blocks, int64_t begin, int64_t end) {
    int64_t first = begin / BLOCK_BITS;
    int64_t last = (end - 1) / BLOCK_BITS;
    uint64_t from_begin = ~UINT64_C(0) << begin % BLOCK_BITS;
    uint64_t up_to_end = ~UINT64_C(0) >> (BLOCK_BITS - 1 - (end - 1) % BLOCK_BITS);
    if (first == last) {
        blocks[first].bits |= from_begin & up_to_end;
        return;
    }
    blocks[first].bits |= from_begin;
    for (int64_t i = first + 1; i < last; i++)
        blocks[i].bits = ~UINT64_C(0);
    blocks[last].bits |= up_to_end;
}

enum status bit_mask_build(struct bit_mask *mask, const struct rle *rle, struct arena *arena,
                           struct error *err) {
    *mask = (struct bit_mask){.height = rle->height, .width = rle->width};
    // The runs before the first pixel set and behind the last one.
    int64_t num_runs = rle->num_runs / 2 * 2;
    int64_t after = rle->num_runs % 2 ? rle->runs[num_runs] : 0;
    mask->begin = num_runs ? rle->runs[0] : 0;
    if (num_runs) mask->size = (int64_t)rle->height * rle->width - after - mask->begin;

    int64_t num_blocks = mask->size / BLOCK_BITS + 1;
    struct bit_block *blocks = arena_alloc_zero(arena, num_blocks, sizeof *blocks);
    if (!blocks)
        return error_memory(err, "the bits of a mask",
                            (long long)num_blocks * (long long)sizeof *blocks);
    int64_t position = 0;
    for (int64_t i = 1; i < num_runs; i += 2) {
        int64_t end = position + rle->runs[i];
        if (end > position) set_bits(blocks, position, end);
        position = end + (i + 1 < num_runs ? rle->runs[i + 1] : 0);
    }
    uint64_t before = 0;
    for (int64_t i = 0; i < num_blocks; i++) {
        blocks[i].before = before;
        before += (uint64_t)__builtin_popcountll(blocks[i].bits);
    }
    mask->blocks = blocks;
    return STATUS_OK;
}

// Pixels set before a position of the whole canvas.
static inline __attribute__((always_inline)) uint64_t count_before(const struct bit_mask *mask,
                                                                   int64_t position) {
    int64_t bit = position - mask->begin;
    bit = bit < 0 ? 0 : bit;
    bit = bit > mask->size ? mask->size : bit;
    struct bit_block block = mask->blocks[bit / BLOCK_BITS];
    uint64_t bits_before = block.bits & ((UINT64_C(1) << bit % BLOCK_BITS) - 1);
    return block.before + (uint64_t)__builtin_popcountll(bits_before);
}

static inline __attribute__((always_inline)) int64_t count_under(const struct bit_mask *mask,
                                                                 const struct rle *rle) {
    uint64_t area = 0;
    int64_t position = 0;
    for (int64_t i = 1; i < rle->num_runs; i += 2) {
        position += rle->runs[i - 1];
        area -= count_before(mask, position);
        position += rle->runs[i];
        area += count_before(mask, position);
    }
    return (int64_t)area;
}

// The generic x86-64 has no instruction that counts bits, all its processors since 2008 have one.
#ifdef __x86_64__
__attribute__((target("popcnt"))) static int64_t
count_under_with_popcnt(const struct bit_mask *mask, const struct rle *rle) {
    return count_under(mask, rle);
}

static bool has_popcnt(void) {
    return __builtin_cpu_supports("popcnt");
}
#else
static int64_t count_under_with_popcnt(const struct bit_mask *mask, const struct rle *rle) {
    return count_under(mask, rle);
}

static bool has_popcnt(void) {
    return true; // or nothing else to choose
}
#endif

int64_t bit_mask_count_under(const struct bit_mask *mask, const struct rle *rle) {
    CHECK(mask->height == rle->height && mask->width == rle->width);
    return has_popcnt() ? count_under_with_popcnt(mask, rle) : count_under(mask, rle);
}
