#include "detector/preprocess.h"

#include <string.h>

#include "base/check.h"

enum { SIDE_MULTIPLE = 32, BYTE_VALUES = 256 };

struct extent preprocess_extent_for(const struct mask_rcnn *model, int32_t width, int32_t height,
                                    int64_t short_side) {
    struct image_size size =
        size_rule_apply(model->rules->size_rule, width, height, (int32_t)short_side,
                        (int32_t)model->config->input.long_side);
    return (struct extent){.height = size.height, .width = size.width};
}

struct extent preprocess_extent(const struct mask_rcnn *model, int32_t width, int32_t height) {
    return preprocess_extent_for(model, width, height, model->config->input.short_side);
}

static int32_t round_up(int32_t side) {
    return (side + SIDE_MULTIPLE - 1) / SIDE_MULTIPLE * SIDE_MULTIPLE;
}

struct extent preprocess_padded(const struct extent *extents, int64_t count) {
    struct extent padded = {0, 0};
    for (int64_t i = 0; i < count; i++) {
        if (extents[i].height > padded.height) padded.height = extents[i].height;
        if (extents[i].width > padded.width) padded.width = extents[i].width;
    }
    return (struct extent){round_up(padded.height), round_up(padded.width)};
}

// What each byte of each channel becomes. Channel c of the input is channel source[c] of an image.
struct normalisation {
    float values[3][BYTE_VALUES];
    int source[3];
};

static void make_normalisation(const struct model_config *config, struct normalisation *out) {
    float range = (float)config->input.pixel_range;
    for (int c = 0; c < 3; c++) {
        float mean = (float)config->input.mean.items[c];
        float std = (float)config->input.std.items[c];
        out->source[c] = config->input.channel_order == CHANNELS_BGR ? 2 - c : c;
        for (int v = 0; v < BYTE_VALUES; v++)
            out->values[c][v] = ((float)v / 255 * range - mean) / std;
    }
}

// The pixels of image from (top, left) on, as many as extent says, to rows that are row_floats
// long.
static void normalise(const struct normalisation *n, const struct image *image, int32_t top,
                      int32_t left, struct extent extent, int64_t row_floats, float *out) {
    for (int64_t y = 0; y < extent.height; y++) {
        const uint8_t *from = image->pixels + ((top + y) * image->width + left) * 3;
        float *to = out + y * row_floats;
        for (int64_t x = 0; x < extent.width; x++)
            for (int c = 0; c < 3; c++)
                to[3 * x + c] = n->values[c][from[3 * x + n->source[c]]];
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

static enum status resize_normalised(const struct normalisation *n, const struct image *image,
                                     const struct crop *crop, int64_t row_floats, float *plane,
                                     struct arena *arena, struct error *err) {
    struct extent whole = {image->height, image->width};
    struct extent resized = crop->resized;
    int64_t from_count = 3 * (int64_t)image->width * image->height;
    int64_t to_row = 3 * (int64_t)resized.width;
    float *from = arena_alloc(arena, from_count, sizeof *from);
    float *to = arena_alloc(arena, to_row * resized.height, sizeof *to);
    if (!from || !to)
        return error_memory(err, "an image's pixels", (from_count + to_row * resized.height) * 4);
    normalise(n, image, 0, 0, whole, 3 * (int64_t)image->width, from);
    TRY(resample_floats(to, (struct image_size){resized.width, resized.height}, from,
                        (struct image_size){image->width, image->height}, arena, err));
    for (int64_t y = 0; y < crop->extent.height; y++)
        memcpy(plane + y * row_floats, to + (crop->top + y) * to_row + 3 * (int64_t)crop->left,
               3 * (size_t)crop->extent.width * sizeof *to);
    return STATUS_OK;
}

static enum status fill_image(const struct mask_rcnn *model, const struct image *image,
                              const struct crop *crop, int64_t row_floats, float *plane,
                              struct arena *arena, struct error *err) {
    struct normalisation normalisation;
    struct image resized = *image;
    bool same = image->width == crop->resized.width && image->height == crop->resized.height;
    make_normalisation(model->config, &normalisation);
    if (!same && !model->rules->resizes_bytes)
        return resize_normalised(&normalisation, image, crop, row_floats, plane, arena, err);
    if (!same)
        TRY(image_resize(&resized, image, crop->resized.width, crop->resized.height, arena, err));
    normalise(&normalisation, &resized, crop->top, crop->left, crop->extent, row_floats, plane);
    return STATUS_OK;
}

enum status preprocess_crop(const struct mask_rcnn *model, const struct image *image,
                            const struct crop *crop, struct extent padded, float *plane,
                            struct arena *arena, struct error *err) {
    struct extent extent = crop->extent;
    CHECK(extent.width <= padded.width && extent.height <= padded.height);
    CHECK(crop->left >= 0 && crop->left <= crop->resized.width - extent.width);
    CHECK(crop->top >= 0 && crop->top <= crop->resized.height - extent.height);
    struct arena_mark mark = arena_mark(arena);
    enum status status =
        fill_image(model, image, crop, 3 * (int64_t)padded.width, plane, arena, err);
    arena_release(arena, mark);
    clear_padding(extent, padded, plane);
    return status;
}

enum status preprocess_image(const struct mask_rcnn *model, const struct image *image,
                             struct extent extent, struct extent padded, float *plane,
                             struct arena *arena, struct error *err) {
    const struct crop whole = {.resized = extent, .extent = extent};
    return preprocess_crop(model, image, &whole, padded, plane, arena, err);
}
