#include "train/augment.h"

#include <math.h>

struct augmentation augmentation_none(const struct model_config *config) {
    return (struct augmentation){.short_side = config->input.short_side, .scale = 1};
}

struct augmentation augmentation_draw(const struct model_config *config, struct random *random) {
    const struct option_ints *sides = &config->augment.short_sides;
    const struct option_doubles *jitter = &config->augment.jitter;
    struct augmentation result = augmentation_none(config);
    double flip = random_uniform(random);
    double side = random_uniform(random);
    double scale = random_uniform(random);
    result.left = random_uniform(random);
    result.top = random_uniform(random);
    result.mirrored = flip < config->augment.flip;
    if (sides->count > 0) result.short_side = sides->items[(int64_t)(side * (double)sides->count)];
    if (jitter->count > 0)
        result.scale = jitter->items[0] + scale * (jitter->items[1] - jitter->items[0]);
    return result;
}

static int32_t scaled(int32_t side, double scale) {
    double result = round(side * scale);
    return result < 1 ? 1 : (int32_t)result;
}

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

struct view view_of(const struct mask_rcnn *model, int32_t width, int32_t height,
                    const struct augmentation *augmentation) {
    struct extent frame = preprocess_extent_for(model, width, height, augmentation->short_side);
    struct extent resized = {scaled(frame.height, augmentation->scale),
                             scaled(frame.width, augmentation->scale)};
    struct extent extent = {smaller(frame.height, resized.height),
                            smaller(frame.width, resized.width)};
    const struct crop crop = {
        .resized = resized,
        .top = (int32_t)round(augmentation->top * (resized.height - extent.height)),
        .left = (int32_t)round(augmentation->left * (resized.width - extent.width)),
        .extent = extent,
    };
    return (struct view){width, height, augmentation->mirrored, crop, frame};
}

double view_x(const struct view *view, double x) {
    double from_left = view->mirrored ? view->width - x : x;
    return from_left * view->crop.resized.width / view->width - view->crop.left;
}

double view_y(const struct view *view, double y) {
    return y * view->crop.resized.height / view->height - view->crop.top;
}
