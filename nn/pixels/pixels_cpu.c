#include <string.h>

#include "base/resample.h"
#include "nn/device.h"
#include "nn/pixels/pixels_call.h"

static struct image_size size_of(struct extent extent) {
    return (struct image_size){extent.width, extent.height};
}

// The pixels of a picture that is width wide, from (top, left) on, as many as extent says, to rows
// that are row_floats long.
static void normalise(const struct pixels_rules *rules, const uint8_t *bytes, int64_t width,
                      int32_t top, int32_t left, struct extent extent, int64_t row_floats,
                      float *out) {
    for (int64_t y = 0; y < extent.height; y++) {
        const uint8_t *from = bytes + ((top + y) * width + left) * 3;
        float *to = out + y * row_floats;
        for (int64_t x = 0; x < extent.width; x++)
            for (int c = 0; c < 3; c++)
                to[3 * x + c] = rules->values[c][from[3 * x + rules->source[c]]];
    }
}

static void clear_padding(struct extent extent, struct extent padded, float *plane) {
    int64_t row = 3 * (int64_t)padded.width;
    int64_t used = 3 * (int64_t)extent.width;
    for (int64_t y = 0; y < extent.height; y++)
        memset(plane + y * row + used, 0, (size_t)(row - used) * sizeof *plane);
    memset(plane + extent.height * row, 0,
           (size_t)((padded.height - extent.height) * row) * sizeof *plane);
}

static enum status resize_normalised(const struct pixels_rules *rules,
                                     const struct pixels_picture *picture, int64_t row_floats,
                                     float *plane, struct arena *arena, struct error *err) {
    const struct crop *crop = &picture->crop;
    struct extent whole = {picture->height, picture->width};
    int64_t from_count = 3 * (int64_t)picture->width * picture->height;
    int64_t to_row = 3 * (int64_t)crop->resized.width;
    float *from = arena_alloc(arena, from_count, sizeof *from);
    float *to = arena_alloc(arena, to_row * crop->resized.height, sizeof *to);
    if (!from || !to)
        return error_memory(err, "an image's pixels",
                            (from_count + to_row * crop->resized.height) * 4);
    normalise(rules, picture->bytes, picture->width, 0, 0, whole, 3 * (int64_t)picture->width,
              from);
    TRY(resample_floats(to, size_of(crop->resized), from, size_of(whole), arena, err));
    for (int64_t y = 0; y < crop->extent.height; y++)
        memcpy(plane + y * row_floats, to + (crop->top + y) * to_row + 3 * (int64_t)crop->left,
               3 * (size_t)crop->extent.width * sizeof *to);
    return STATUS_OK;
}

static enum status fill(const struct pixels_rules *rules, const struct pixels_picture *picture,
                        int64_t row_floats, float *plane, struct arena *arena, struct error *err) {
    const struct crop *crop = &picture->crop;
    const uint8_t *bytes = picture->bytes;
    if (!pixels_keep_size(picture)) {
        if (!rules->resizes_bytes)
            return resize_normalised(rules, picture, row_floats, plane, arena, err);
        int64_t num_pixels = (int64_t)crop->resized.width * crop->resized.height;
        uint8_t *resized = arena_alloc(arena, num_pixels, 3);
        if (!resized) return error_memory(err, "a resized image", num_pixels * 3);
        TRY(resample_bytes(resized, size_of(crop->resized), bytes,
                           (struct image_size){picture->width, picture->height}, arena, err));
        bytes = resized;
    }
    normalise(rules, bytes, crop->resized.width, crop->top, crop->left, crop->extent, row_floats,
              plane);
    return STATUS_OK;
}

enum status pixels_fill(const struct pixels_rules *rules, const struct pixels_picture *picture,
                        struct extent padded, float *plane, struct arena *arena,
                        struct error *err) {
    pixels_check(picture, padded);
    struct arena_mark mark = arena_mark(arena);
    enum status status = fill(rules, picture, 3 * (int64_t)padded.width, plane, arena, err);
    arena_release(arena, mark);
    clear_padding(picture->crop.extent, padded, plane);
    return status;
}

void cpu_pixels_forward(struct nn *nn, struct call *base) {
    const struct pixels *pixels = ((const struct pixels_call *)base)->pixels;
    int64_t plane_floats = 3 * (int64_t)pixels->padded.height * pixels->padded.width;
    for (int64_t i = 0; i < pixels->count; i++) {
        struct error err;
        if (pixels_fill(pixels->rules, &pixels->pictures[i], pixels->padded,
                        base->out->data + i * plane_floats, pixels->arena, &err) == STATUS_OK)
            continue;
        nn_fail(nn, err.code, "%s", err.message);
        return;
    }
}
