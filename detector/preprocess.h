// From an image to the network's input: the one path for detection, evaluation and training.
//
// The image is resized, normalised and put at the top left of a tensor of zeros whose sides are
// multiples of 32. In which order, and how the size is rounded, depends on the conventions
// (detectron2 resizes bytes, torchvision resizes what it has normalised). nn/pixels does it, on the
// device of a network or, for those who do it ahead of need, in the calling thread.
#pragma once

#include "data/image.h"
#include "detector/mask_rcnn.h"
#include "nn/pixels/pixels.h"

// The size that an image of width x height is resized to.
struct extent preprocess_extent(const struct mask_rcnn *model, int32_t width, int32_t height);

// The same for another short side than the configuration's.
struct extent preprocess_extent_for(const struct mask_rcnn *model, int32_t width, int32_t height,
                                    int64_t short_side);

// The sides of the input tensor for images of these sizes: the largest of each, rounded up.
struct extent preprocess_padded(const struct extent *extents, int64_t count);

// The network's input, made on its device, of pictures. arena is as in struct pixels.
struct tensor *preprocess_pictures(struct nn *nn, const struct mask_rcnn *model,
                                   const struct pixels_picture *pictures, int64_t count,
                                   struct extent padded, struct arena *arena);

// The same of whole images, each resized to its extent. arena holds what is in between and is as
// before afterwards.
struct tensor *preprocess_images(struct nn *nn, const struct mask_rcnn *model,
                                 const struct image *images, const struct extent *extents,
                                 int64_t count, struct arena *arena);

// Writes image, resized to extent, to the start of plane, [padded.height, padded.width, 3], and
// zeros to the rest. arena holds intermediate images and is as before afterwards.
MUST_CHECK enum status preprocess_image(const struct mask_rcnn *model, const struct image *image,
                                        struct extent extent, struct extent padded, float *plane,
                                        struct arena *arena, struct error *err);

// The same for a part of image, which lies at the start of plane as if it were all.
MUST_CHECK enum status preprocess_crop(const struct mask_rcnn *model, const struct image *image,
                                       const struct crop *crop, struct extent padded, float *plane,
                                       struct arena *arena, struct error *err);
