#include "detector/preprocess.h"

enum { SIDE_MULTIPLE = 32 };

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

static void make_rules(const struct mask_rcnn *model, struct pixels_rules *rules) {
    const struct model_config *config = model->config;
    float range = (float)config->input.pixel_range;
    rules->resizes_bytes = model->rules->resizes_bytes;
    for (int c = 0; c < 3; c++) {
        float mean = (float)config->input.mean.items[c];
        float std = (float)config->input.std.items[c];
        rules->source[c] = config->input.channel_order == CHANNELS_BGR ? 2 - c : c;
        for (int v = 0; v < PIXELS_BYTE_VALUES; v++)
            rules->values[c][v] = ((float)v / 255 * range - mean) / std;
    }
}

struct tensor *preprocess_pictures(struct nn *nn, const struct mask_rcnn *model,
                                   const struct pixels_picture *pictures, int64_t count,
                                   struct extent padded, struct arena *arena) {
    struct pixels_rules rules;
    make_rules(model, &rules);
    return pixels_forward(nn, &(struct pixels){&rules, pictures, count, padded, arena});
}

struct tensor *preprocess_images(struct nn *nn, const struct mask_rcnn *model,
                                 const struct image *images, const struct extent *extents,
                                 int64_t count, struct arena *arena) {
    struct extent padded = preprocess_padded(extents, count);
    struct arena_mark mark = arena_mark(arena);
    struct pixels_picture *pictures = arena_alloc(arena, count, sizeof *pictures);
    if (!pictures) {
        nn_fail(nn, STATUS_MEMORY, "pictures: out of memory");
        return nn_tensor(nn, count, padded.height, padded.width, 3);
    }
    for (int64_t i = 0; i < count; i++)
        pictures[i] = (struct pixels_picture){
            .bytes = images[i].pixels,
            .width = images[i].width,
            .height = images[i].height,
            .crop = {.resized = extents[i], .extent = extents[i]},
        };
    struct tensor *input = preprocess_pictures(nn, model, pictures, count, padded, arena);
    arena_release(arena, mark);
    return input;
}

enum status preprocess_crop(const struct mask_rcnn *model, const struct image *image,
                            const struct crop *crop, struct extent padded, float *plane,
                            struct arena *arena, struct error *err) {
    struct pixels_rules rules;
    const struct pixels_picture picture = {image->pixels, image->width, image->height, *crop};
    make_rules(model, &rules);
    return pixels_fill(&rules, &picture, padded, plane, arena, err);
}

enum status preprocess_image(const struct mask_rcnn *model, const struct image *image,
                             struct extent extent, struct extent padded, float *plane,
                             struct arena *arena, struct error *err) {
    const struct crop whole = {.resized = extent, .extent = extent};
    return preprocess_crop(model, image, &whole, padded, plane, arena, err);
}
