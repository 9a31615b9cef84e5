// Both directions are the same operation: first every row of the source is resized in width, then
// the rows of the target are sums of those.
//
// A sum over neighbours in a row does not suit vector instructions, pixels being 3 bytes. So 16
// rows at a time are turned into columns of 48 bytes; then both directions are weighted sums of
// blocks of 48 bytes that lie a fixed stride apart.
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/resample.h"

enum { STRIP_ROWS = 16, BLOCK = 3 * STRIP_ROWS }; // bytes that are summed at once

// The inner loops are twice as fast with wider vectors; the loader picks what the processor has.
// Sanitizers are not ready when the loader picks.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) &&                        \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

static double triangle(double distance) {
    return fmax(1.0 - fabs(distance), 0.0);
}

// parity: Pillow (src/libImaging/Resample.c) with its triangle filter. The sequence of the
// floating-point operations decides the last bit.
static void fill_taps(struct resample_taps *taps, int64_t at, int64_t source_size, double scale) {
    double reach = fmax(scale, 1.0);
    double inverse_reach = 1.0 / reach;
    double center = ((double)at + 0.5) * scale;
    int64_t first = (int64_t)fmax(center - reach + 0.5, 0.0);
    int64_t end = (int64_t)fmin(center + reach + 0.5, (double)source_size);
    int64_t count = end - first;
    CHECK(count >= 1 && count <= taps->max_count);
    double sum = 0.0;
    for (int64_t i = first; i < end; i++)
        sum += triangle(((double)i - center + 0.5) * inverse_reach);
    int32_t *weights = taps->weights + at * taps->max_count;
    for (int64_t i = 0; i < count; i++) {
        double exact = triangle(((double)(first + i) - center + 0.5) * inverse_reach);
        weights[i] = (int32_t)(exact / sum * RESAMPLE_UNIT + 0.5);
    }
    taps->firsts[at] = (int32_t)first;
    taps->counts[at] = (int32_t)count;
}

static double scale_of(int64_t target_size, int64_t source_size) {
    return (double)source_size / (double)target_size;
}

static int64_t max_count_of(int64_t target_size, int64_t source_size) {
    return (int64_t)ceil(fmax(scale_of(target_size, source_size), 1.0)) * 2 + 1;
}

int64_t resample_taps_ints(int64_t target_size, int64_t source_size) {
    return target_size * (2 + max_count_of(target_size, source_size));
}

void resample_taps_fill(struct resample_taps *taps, int32_t *ints, int64_t target_size,
                        int64_t source_size) {
    *taps = (struct resample_taps){max_count_of(target_size, source_size), ints, ints + target_size,
                                   ints + 2 * target_size};
    for (int64_t at = 0; at < target_size; at++)
        fill_taps(taps, at, source_size, scale_of(target_size, source_size));
}

// ---- Sums ----

// Sums of count blocks, the first at source. Weights are positive, but the rounding errors of many
// may lift 255 to 256.
static inline void weighted_sum(uint8_t *restrict sum, const uint8_t *restrict source,
                                int64_t stride, const int32_t *restrict weights, int64_t count) {
    int32_t sums[BLOCK];
    for (int i = 0; i < BLOCK; i++)
        sums[i] = RESAMPLE_UNIT / 2;
    for (int64_t tap = 0; tap < count; tap++)
        for (int i = 0; i < BLOCK; i++)
            sums[i] += weights[tap] * source[tap * stride + i];
    for (int i = 0; i < BLOCK; i++) {
        int32_t rounded = sums[i] >> RESAMPLE_BITS;
        sum[i] = (uint8_t)(rounded < 255 ? rounded : 255);
    }
}

// Rows are num_rows <= STRIP_ROWS. columns is scratch, [source width, STRIP_ROWS, 3].
FOR_EACH_PROCESSOR
static void resize_width_of_strip(uint8_t *restrict target, int64_t target_stride,
                                  int64_t target_width, const uint8_t *restrict source,
                                  int64_t source_width, int64_t num_rows,
                                  const struct resample_taps *taps, uint8_t *restrict columns) {
    for (int64_t x = 0; x < source_width; x++)
        for (int64_t row = 0; row < num_rows; row++)
            memcpy(columns + x * BLOCK + 3 * row, source + 3 * (row * source_width + x), 3);
    for (int64_t x = 0; x < target_width; x++) {
        uint8_t column[BLOCK];
        weighted_sum(column, columns + (int64_t)taps->firsts[x] * BLOCK, BLOCK,
                     taps->weights + x * taps->max_count, taps->counts[x]);
        for (int64_t row = 0; row < num_rows; row++)
            memcpy(target + row * target_stride + 3 * x, column + 3 * row, 3);
    }
}

// source has rows of source_stride bytes, a multiple of BLOCK; those of the target are tight.
FOR_EACH_PROCESSOR
static void resize_height(uint8_t *restrict target, struct image_size size,
                          const uint8_t *restrict source, int64_t source_stride,
                          const struct resample_taps *taps) {
    int64_t row_bytes = 3 * (int64_t)size.width;
    for (int64_t y = 0; y < size.height; y++) {
        const uint8_t *rows = source + taps->firsts[y] * source_stride;
        for (int64_t begin = 0; begin < row_bytes; begin += BLOCK) {
            uint8_t block[BLOCK];
            int64_t bytes = row_bytes - begin < BLOCK ? row_bytes - begin : BLOCK;
            weighted_sum(block, rows + begin, source_stride, taps->weights + y * taps->max_count,
                         taps->counts[y]);
            memcpy(target + y * row_bytes + begin, block, (size_t)bytes);
        }
    }
}

static enum status resize(uint8_t *target, struct image_size to, const uint8_t *source,
                          struct image_size from, struct arena *arena, struct error *err) {
    struct resample_taps across;
    struct resample_taps down;
    int64_t across_ints = resample_taps_ints(to.width, from.width);
    int64_t down_ints = resample_taps_ints(to.height, from.height);
    int32_t *ints = arena_alloc(arena, across_ints + down_ints, sizeof *ints);
    if (!ints)
        return error_memory(err, "the weights of resizing",
                            (across_ints + down_ints) * (int64_t)sizeof *ints);
    resample_taps_fill(&across, ints, to.width, from.width);
    resample_taps_fill(&down, ints + across_ints, to.height, from.height);
    int64_t stride = (3 * (int64_t)to.width + BLOCK - 1) / BLOCK * BLOCK;
    // What a last strip of fewer rows and the end of a row leave unwritten is summed all the same,
    // and goes nowhere.
    uint8_t *narrowed = arena_alloc(arena, stride, (size_t)from.height);
    uint8_t *columns = arena_alloc(arena, from.width, BLOCK);
    if (!narrowed || !columns)
        return error_memory(err, "resizing an image", (long long)stride * from.height);
    for (int64_t y = 0; y < from.height; y += STRIP_ROWS) {
        int64_t num_rows = from.height - y < STRIP_ROWS ? from.height - y : STRIP_ROWS;
        resize_width_of_strip(narrowed + y * stride, stride, to.width, source + 3 * y * from.width,
                              from.width, num_rows, &across, columns);
    }
    resize_height(target, to, narrowed, stride, &down);
    return STATUS_OK;
}

enum status resample_bytes(uint8_t *target, struct image_size target_size, const uint8_t *source,
                           struct image_size source_size, struct arena *arena, struct error *err) {
    CHECK(target_size.width > 0 && target_size.height > 0);
    CHECK(source_size.width > 0 && source_size.height > 0);
    struct arena_mark mark = arena_mark(arena);
    enum status status = resize(target, target_size, source, source_size, arena, err);
    arena_release(arena, mark);
    return status;
}
