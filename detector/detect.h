// From images to detections: boxes, scores, classes and masks in the images' own frames.
#pragma once

#include "data/image.h"
#include "data/rle.h"
#include "detector/mask_rcnn.h"

struct detection {
    float box[4]; // x1, y1, x2, y2 in pixels of the image
    float score;
    int32_t label; // from 1: config->classes.names[label - 1]
    struct rle mask;
};

struct detection_list {
    struct detection *items; // best first
    int64_t count;
};

// Where the time went.
struct detect_seconds {
    double preprocess, infer, postprocess;
};

// Fills lists[count], one for each image, in arena. Images of different sizes are padded to a
// common one, which gates notice (their sums run over the padding): for results that are
// independent of the batch, take images of equal padded size.
MUST_CHECK enum status detect_images(struct nn *nn, struct mask_rcnn *model,
                                     const struct image *images, int64_t count, struct arena *arena,
                                     struct detection_list *lists, struct error *err);

// The same with masks where their probability is at least mask_threshold, above 0, instead of 0.5.
// What it took goes to seconds.
MUST_CHECK enum status detect_images_timed(struct nn *nn, struct mask_rcnn *model,
                                           const struct image *images, int64_t count,
                                           double mask_threshold, struct arena *arena,
                                           struct detection_list *lists,
                                           struct detect_seconds *seconds, struct error *err);
