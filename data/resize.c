// Both interpolations are separable: first every row of the source is resized in width, then the
// rows of the target are sums of those.
//
// Bytes: a sum over neighbours in a row does not suit vector instructions, pixels being 3 bytes. So
// 16 rows at a time are turned into columns of 48 bytes; then both directions are the same
// operation, a weighted sum of blocks of 48 bytes that lie a fixed stride apart.
#include "data/resize.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum {
    PRECISION_BITS = 22, // of a weight; with 8 bits of sample a sum fits int32_t
    STRIP_ROWS = 16,
    BLOCK = 3 * STRIP_ROWS, // bytes that are summed at once
};

// The inner loops are twice as fast with wider vectors; the loader picks what the processor has.
// Sanitizers are not ready when the loader picks.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) &&                        \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

// What one axis adds up for each target position: counts weights from source position firsts on.
struct taps {
    int64_t max_count;
    int32_t *firsts;  // [size]
    int32_t *counts;  // [size]
    int32_t *weights; // [size, max_count], in units of 2^-22; they add up to 1 within rounding
};

// parity: Pillow (src/libImaging/Resample.c) with its triangle filter. The sequence of the
// floating-point operations decides the last bit.
static void fill_taps(struct taps *taps, int64_t at, int64_t source_size, double scale,
                      double *exact) {
    double reach = fmax(scale, 1.0);
    double inverse_reach = 1.0 / reach;
    double center = ((double)at + 0.5) * scale;
    int64_t first = (int64_t)fmax(center - reach + 0.5, 0.0);
    int64_t end = (int64_t)fmin(center + reach + 0.5, (double)source_size);
    int64_t count = end - first;
    CHECK(count >= 1 && count <= taps->max_count);
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        double distance = fabs(((double)(first + i) - center + 0.5) * inverse_reach);
        exact[i] = fmax(1.0 - distance, 0.0);
        sum += exact[i];
    }
    int32_t *weights = taps->weights + at * taps->max_count;
    for (int64_t i = 0; i < count; i++)
        weights[i] = (int32_t)(exact[i] / sum * (1 << PRECISION_BITS) + 0.5);
    taps->firsts[at] = (int32_t)first;
    taps->counts[at] = (int32_t)count;
}

static enum status taps_make(struct taps *taps, int64_t target_size, int64_t source_size,
                             struct arena *arena, struct error *err) {
    double scale = (double)source_size / (double)target_size;
    taps->max_count = (int64_t)ceil(fmax(scale, 1.0)) * 2 + 1;
    int64_t num_weights = target_size * taps->max_count;
    taps->firsts = arena_alloc(arena, target_size, sizeof *taps->firsts);
    taps->counts = arena_alloc(arena, target_size, sizeof *taps->counts);
    taps->weights = arena_alloc(arena, num_weights, sizeof *taps->weights);
    double *exact = arena_alloc(arena, taps->max_count, sizeof *exact);
    if (!taps->firsts || !taps->counts || !taps->weights || !exact)
        return error_memory(err, "the weights of resizing", (long long)num_weights * 4);
    for (int64_t at = 0; at < target_size; at++)
        fill_taps(taps, at, source_size, scale, exact);
    return STATUS_OK;
}

// Sums of count blocks, the first at source. Weights are positive, but the rounding errors of many
// may lift 255 to 256.
static inline void weighted_sum(uint8_t *restrict sum, const uint8_t *restrict source,
                                int64_t stride, const int32_t *restrict weights, int64_t count) {
    int32_t sums[BLOCK];
    for (int i = 0; i < BLOCK; i++)
        sums[i] = 1 << (PRECISION_BITS - 1);
    for (int64_t tap = 0; tap < count; tap++)
        for (int i = 0; i < BLOCK; i++)
            sums[i] += weights[tap] * source[tap * stride + i];
    for (int i = 0; i < BLOCK; i++) {
        int32_t rounded = sums[i] >> PRECISION_BITS;
        sum[i] = (uint8_t)(rounded < 255 ? rounded : 255);
    }
}

// Rows are num_rows <= STRIP_ROWS. columns is scratch, [source width, STRIP_ROWS, 3].
FOR_EACH_PROCESSOR
static void resize_width_of_strip(uint8_t *restrict target, int64_t target_stride,
                                  int64_t target_width, const uint8_t *restrict source,
                                  int64_t source_width, int64_t num_rows, const struct taps *taps,
                                  uint8_t *restrict columns) {
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
static void resize_height(struct image *target, const uint8_t *restrict source,
                          int64_t source_stride, const struct taps *taps) {
    int64_t row_bytes = 3 * (int64_t)target->width;
    for (int64_t y = 0; y < target->height; y++) {
        const uint8_t *rows = source + taps->firsts[y] * source_stride;
        for (int64_t begin = 0; begin < row_bytes; begin += BLOCK) {
            uint8_t block[BLOCK];
            int64_t size = row_bytes - begin < BLOCK ? row_bytes - begin : BLOCK;
            weighted_sum(block, rows + begin, source_stride, taps->weights + y * taps->max_count,
                         taps->counts[y]);
            memcpy(target->pixels + y * row_bytes + begin, block, (size_t)size);
        }
    }
}

static enum status resize_bytes(struct image *target, const struct image *source,
                                struct arena *arena, struct error *err) {
    struct taps across;
    struct taps down;
    TRY(taps_make(&across, target->width, source->width, arena, err));
    TRY(taps_make(&down, target->height, source->height, arena, err));
    int64_t stride = (3 * (int64_t)target->width + BLOCK - 1) / BLOCK * BLOCK;
    // What a last strip of fewer rows and the end of a row leave unwritten is summed all the same,
    // and goes nowhere.
    uint8_t *narrowed = arena_alloc(arena, stride, (size_t)source->height);
    uint8_t *columns = arena_alloc(arena, source->width, BLOCK);
    if (!narrowed || !columns)
        return error_memory(err, "resizing an image", (long long)stride * source->height);
    for (int64_t y = 0; y < source->height; y += STRIP_ROWS) {
        int64_t num_rows = source->height - y < STRIP_ROWS ? source->height - y : STRIP_ROWS;
        resize_width_of_strip(narrowed + y * stride, stride, target->width,
                              source->pixels + 3 * y * source->width, source->width, num_rows,
                              &across, columns);
    }
    resize_height(target, narrowed, stride, &down);
    return STATUS_OK;
}

enum status image_resize(struct image *target, const struct image *source, int32_t width,
                         int32_t height, struct arena *arena, struct error *err) {
    CHECK(width > 0 && height > 0 && source->width > 0 && source->height > 0);
    struct arena_mark before = arena_mark(arena);
    int64_t num_pixels = (int64_t)width * height;
    *target = (struct image){width, height, arena_alloc(arena, num_pixels, 3)};
    if (!target->pixels) return error_memory(err, "a resized image", (long long)num_pixels * 3);
    struct arena_mark scratch = arena_mark(arena);
    enum status status = resize_bytes(target, source, arena, err);
    arena_release(arena, status == STATUS_OK ? scratch : before);
    if (status != STATUS_OK) *target = (struct image){0};
    return status;
}
