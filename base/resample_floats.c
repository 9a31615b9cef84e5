// Bilinear interpolation of floats, first along rows, then between two rows.
#include <string.h>

#include "base/check.h"
#include "base/resample.h"

// parity: torch, area_pixel_compute_source_index and guard_index_and_lambda, computed in float32.
struct resample_blend resample_blend_at(int64_t at, int64_t source_size, int64_t target_size) {
    float scale = (float)source_size / (float)target_size;
    float position = scale * ((float)at + 0.5F) - 0.5F;
    if (position < 0.0F) position = 0.0F;
    int64_t low = (int64_t)position;
    if (low > source_size - 1) low = source_size - 1;
    float high_weight = position - (float)low;
    if (high_weight > 1.0F) high_weight = 1.0F;
    return (struct resample_blend){(int32_t)low, (int32_t)(low + (low < source_size - 1)),
                                   1.0F - high_weight, high_weight};
}

static void resize_row(float *restrict target, const float *restrict source,
                       const struct resample_blend *across, int64_t target_width) {
    for (int64_t x = 0; x < target_width; x++) {
        const float *low = source + 3 * (int64_t)across[x].low;
        const float *high = source + 3 * (int64_t)across[x].high;
        for (int c = 0; c < 3; c++)
            target[3 * x + c] = across[x].low_weight * low[c] + across[x].high_weight * high[c];
    }
}

static void blend_rows(float *restrict target, const float *restrict low,
                       const float *restrict high, struct resample_blend blend, int64_t size) {
    for (int64_t i = 0; i < size; i++)
        target[i] = blend.low_weight * low[i] + blend.high_weight * high[i];
}

enum status resample_floats(float *target, struct image_size target_size, const float *source,
                            struct image_size source_size, struct arena *arena, struct error *err) {
    CHECK(target_size.width > 0 && target_size.height > 0);
    CHECK(source_size.width > 0 && source_size.height > 0);
    int64_t target_row = 3 * (int64_t)target_size.width;
    int64_t source_row = 3 * (int64_t)source_size.width;
    struct arena_mark mark = arena_mark(arena);
    struct resample_blend *across = arena_alloc(arena, target_size.width, sizeof *across);
    float *rows = arena_alloc(arena, 2 * target_row, sizeof *rows);
    if (!across || !rows) {
        arena_release(arena, mark);
        return error_memory(err, "resizing an image", (long long)target_row * 8);
    }
    for (int64_t x = 0; x < target_size.width; x++)
        across[x] = resample_blend_at(x, source_size.width, target_size.width);
    // Neighbouring rows of the source are of different parity: each parity has its place.
    int32_t held[2] = {-1, -1};
    for (int64_t y = 0; y < target_size.height; y++) {
        struct resample_blend down = resample_blend_at(y, source_size.height, target_size.height);
        int32_t needed[2] = {down.low, down.high};
        for (int i = 0; i < 2; i++) {
            int32_t place = needed[i] % 2;
            if (held[place] == needed[i]) continue;
            resize_row(rows + place * target_row, source + needed[i] * source_row, across,
                       target_size.width);
            held[place] = needed[i];
        }
        blend_rows(target + y * target_row, rows + down.low % 2 * target_row,
                   rows + down.high % 2 * target_row, down, target_row);
    }
    arena_release(arena, mark);
    return STATUS_OK;
}
