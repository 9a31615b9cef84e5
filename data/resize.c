#include "data/resize.h"

#include "base/check.h"

enum status image_resize(struct image *target, const struct image *source, int32_t width,
                         int32_t height, struct arena *arena, struct error *err) {
    const struct image_size size = {width, height};
    const struct image_size source_size = {source->width, source->height};
    CHECK(width > 0 && height > 0);
    struct arena_mark before = arena_mark(arena);
    int64_t num_pixels = (int64_t)width * height;
    *target = (struct image){width, height, arena_alloc(arena, num_pixels, 3)};
    if (!target->pixels) return error_memory(err, "a resized image", (long long)num_pixels * 3);
    enum status status =
        resample_bytes(target->pixels, size, source->pixels, source_size, arena, err);
    if (status == STATUS_OK) return STATUS_OK;
    arena_release(arena, before);
    *target = (struct image){0};
    return status;
}
