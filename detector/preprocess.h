// From an image to the network's input: the one path for detection, evaluation and training.
//
// The image is resized, normalised and put at the top left of a tensor of zeros whose sides are
// multiples of 32. In which order, and how the size is rounded, depends on the conventions
// (detectron2 resizes bytes, torchvision resizes what it has normalised).
#pragma once

#include "data/image.h"
#include "detector/mask_rcnn.h"

// The size that an image of width x height is resized to.
struct extent preprocess_extent(const struct mask_rcnn *model, int32_t width, int32_t height);

// The same for another short side than the configuration's.
struct extent preprocess_extent_for(const struct mask_rcnn *model, int32_t width, int32_t height,
                                    int64_t short_side);

// The sides of the input tensor for images of these sizes: the largest of each, rounded up.
struct extent preprocess_padded(const struct extent *extents, int64_t count);

// Writes image, resized to extent, to the start of plane, [padded.height, padded.width, 3], and
// zeros to the rest. arena holds intermediate images and is as before afterwards.
MUST_CHECK enum status preprocess_image(const struct mask_rcnn *model, const struct image *image,
                                        struct extent extent, struct extent padded, float *plane,
                                        struct arena *arena, struct error *err);

// A part of the resized image: extent.height x extent.width pixels from (top, left) on.
struct crop {
    struct extent resized; // the whole
    int32_t top, left;
    struct extent extent;
};

// The same for a part of image, which lies at the start of plane as if it were all.
MUST_CHECK enum status preprocess_crop(const struct mask_rcnn *model, const struct image *image,
                                       const struct crop *crop, struct extent padded, float *plane,
                                       struct arena *arena, struct error *err);
