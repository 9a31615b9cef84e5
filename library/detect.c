// Detection: from a file, its bytes or pixels to a result.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "library/gctmask_internal.h"

const char *gctmask_version(void) {
    return GCTMASK_VERSION;
}

static enum gctmask_status public_status(enum status status) {
    switch (status) {
    case STATUS_OK:
        return GCTMASK_OK;
    case STATUS_USAGE:
        return GCTMASK_ARGUMENT;
    case STATUS_DATA:
        return GCTMASK_DATA;
    case STATUS_NO_INPUT:
        return GCTMASK_NO_INPUT;
    case STATUS_MEMORY:
        return GCTMASK_MEMORY;
    case STATUS_UNSUPPORTED:
        return GCTMASK_UNSUPPORTED;
    case STATUS_DEVICE:
        return GCTMASK_DEVICE;
    case STATUS_CANNOT_WRITE:
    case STATUS_CANCELLED:
    case STATUS_INTERNAL:
        break;
    }
    return GCTMASK_INTERNAL;
}

enum gctmask_status finish_call(enum status status, const struct error *err, char *message,
                                size_t message_bytes) {
    if (message && message_bytes > 0)
        snprintf(message, message_bytes, "%s", status == STATUS_OK ? "" : err->message);
    return public_status(status);
}

enum status copy_options(void *known, size_t known_bytes, const void *options, struct error *err) {
    size_t size = 0;
    if (!options) return STATUS_OK;
    memcpy(&size, options, sizeof size);
    if (size < sizeof size)
        return error_set(err, STATUS_USAGE, "options: size is not set to the size of the struct");
    // What a later version of the struct has beyond ours must be as if it were not there.
    const char *bytes = options;
    for (size_t i = known_bytes; i < size; i++)
        if (bytes[i] != 0)
            return error_set(err, STATUS_USAGE,
                             "options: set for a later version than " GCTMASK_VERSION);
    memcpy(known, options, size < known_bytes ? size : known_bytes);
    return STATUS_OK;
}

// ---- One call ----

// What an image is made from: a file, or bytes, or pixels.
struct source {
    const char *path;
    const void *bytes;
    size_t num_bytes;
    const uint8_t *pixels;
    int32_t width, height;
    size_t row_bytes;
};

static enum status check_pixels(const struct source *source, struct error *err) {
    const struct image_limits limits = image_limits_default();
    int64_t longer = source->width > source->height ? source->width : source->height;
    int64_t shorter = source->width > source->height ? source->height : source->width;
    if (shorter < 1)
        return error_set(err, STATUS_USAGE, "%d x %d pixels: both must be positive",
                         (int)source->width, (int)source->height);
    if (source->row_bytes < 3 * (size_t)source->width)
        return error_set(err, STATUS_USAGE, "row_bytes: %zu, less than 3 bytes for %d pixels",
                         source->row_bytes, (int)source->width);
    if (longer > limits.max_side || longer * shorter > limits.max_pixels ||
        longer > limits.max_aspect * shorter)
        return error_set(err, STATUS_DATA,
                         "%d x %d pixels; the limits are %lld pixels, sides of %lld, an aspect of "
                         "1:%lld",
                         (int)source->width, (int)source->height, (long long)limits.max_pixels,
                         (long long)limits.max_side, (long long)limits.max_aspect);
    return STATUS_OK;
}

static enum status copy_pixels(struct image *image, const struct source *source,
                               struct arena *arena, struct error *err) {
    TRY(check_pixels(source, err));
    size_t row = 3 * (size_t)source->width;
    *image = (struct image){source->width, source->height, arena_alloc(arena, source->height, row)};
    if (!image->pixels) return error_memory(err, "pixels", (long long)row * source->height);
    for (int64_t y = 0; y < source->height; y++)
        memcpy(image->pixels + (size_t)y * row, source->pixels + (size_t)y * source->row_bytes,
               row);
    return STATUS_OK;
}

static enum status load(struct image *image, const struct source *source, struct arena *arena,
                        struct error *err) {
    const struct image_limits limits = image_limits_default();
    if (source->path) return image_load(image, NULL, source->path, &limits, true, arena, err);
    if (source->pixels) return copy_pixels(image, source, arena, err);
    if (!source->bytes) return error_set(err, STATUS_USAGE, "the image is NULL");
    if (source->num_bytes > INT64_MAX) return error_set(err, STATUS_USAGE, "num_bytes: too many");
    return image_decode(image, NULL, source->bytes, (int64_t)source->num_bytes, "image", &limits,
                        true, arena, err);
}

static enum status make_limits(struct detection_limits *limits,
                               const struct gctmask_detect_options *options, struct error *err) {
    enum { MAX_DETECTIONS = 100000 };
    struct gctmask_detect_options known = {0};
    TRY(copy_options(&known, sizeof known, options, err));
    if (known.has_min_score && !(known.min_score >= 0 && known.min_score <= 1))
        return error_set(err, STATUS_USAGE, "min_score: %g is not from 0 to 1",
                         (double)known.min_score);
    if (known.max_detections < 0 || known.max_detections > MAX_DETECTIONS)
        return error_set(err, STATUS_USAGE, "max_detections: %d is not from 0 to %d",
                         (int)known.max_detections, MAX_DETECTIONS);
    *limits = (struct detection_limits){
        .min_score = known.has_min_score ? (double)known.min_score : -1,
        .max_detections = known.max_detections,
    };
    return STATUS_OK;
}

// image lives in pixels, which is empty again before the result is made: a result holds no image.
static enum status find(struct gctmask_model *model, const struct source *source,
                        const struct detection_limits *limits, struct arena *pixels,
                        struct arena *arena, struct gctmask_result **result, struct error *err) {
    struct image image;
    struct detection_list list;
    TRY(load(&image, source, pixels, err));
    TRY(model_detect(model, &image, limits, arena, &list, err));
    return result_create(result, model, &image, &list, arena, err);
}

static enum status detect(struct gctmask_model *model, const struct source *source,
                          const struct gctmask_detect_options *options,
                          struct gctmask_result **result, struct error *err) {
    enum { PIXEL_BLOCK_BYTES = 1 << 16, BLOCK_BYTES = 1 << 14 };
    struct detection_limits limits;
    struct arena pixels;
    struct arena arena;
    if (!result) return error_set(err, STATUS_USAGE, "result is NULL");
    *result = NULL;
    if (!model) return error_set(err, STATUS_USAGE, "model is NULL");
    TRY(make_limits(&limits, options, err));
    arena_init(&pixels, PIXEL_BLOCK_BYTES, 0);
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = find(model, source, &limits, &pixels, &arena, result, err);
    arena_destroy(&pixels);
    arena_destroy(&arena); // empty if there is a result
    return status;
}

static enum gctmask_status run(struct gctmask_model *model, const struct source *source,
                               const struct gctmask_detect_options *options,
                               struct gctmask_result **result, char *message,
                               size_t message_bytes) {
    struct error err = {0};
    enum status status = detect(model, source, options, result, &err);
    return finish_call(status, &err, message, message_bytes);
}

enum gctmask_status gctmask_detect_file(struct gctmask_model *model, const char *path,
                                        const struct gctmask_detect_options *options,
                                        struct gctmask_result **result, char *message,
                                        size_t message_bytes) {
    const struct source source = {.path = path};
    return run(model, &source, options, result, message, message_bytes);
}

enum gctmask_status gctmask_detect_bytes(struct gctmask_model *model, const void *bytes,
                                         size_t num_bytes,
                                         const struct gctmask_detect_options *options,
                                         struct gctmask_result **result, char *message,
                                         size_t message_bytes) {
    const struct source source = {.bytes = bytes, .num_bytes = num_bytes};
    return run(model, &source, options, result, message, message_bytes);
}

enum gctmask_status gctmask_detect_pixels(struct gctmask_model *model, const uint8_t *pixels,
                                          int32_t width, int32_t height, size_t row_bytes,
                                          const struct gctmask_detect_options *options,
                                          struct gctmask_result **result, char *message,
                                          size_t message_bytes) {
    const struct source source = {
        .pixels = pixels, .width = width, .height = height, .row_bytes = row_bytes};
    return run(model, &source, options, result, message, message_bytes);
}
