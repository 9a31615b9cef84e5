// Random changes of training images, and where they put things.
#pragma once

#include "base/random.h"
#include "detector/preprocess.h"

// What chance decides for one image.
struct augmentation {
    bool mirrored; // left and right
    int64_t short_side;
    double scale; // large-scale jitter (Ghiasi et al., "Simple Copy-Paste", 2021); 1: none
    double left;  // where to cut what jitter makes too large: share of the surplus on this side
    double top;
};

struct augmentation augmentation_none(const struct model_config *config);

// By the options augment.*. The same stream gives the same values for an option, whatever the
// others are.
struct augmentation augmentation_draw(const struct model_config *config, struct random *random);

// How an image becomes input: mirrored, resized, cut. The frame is what the image would take
// without jitter; an image that jitter makes smaller lies at its top left.
struct view {
    int32_t width, height; // of the image
    bool mirrored;
    struct crop crop;
    struct extent frame;
};

struct view view_of(const struct mask_rcnn *model, int32_t width, int32_t height,
                    const struct augmentation *augmentation);

// A place in the image to one in the input.
double view_x(const struct view *view, double x);
double view_y(const struct view *view, double y);
