// From the box head's scores and deltas to detections (Girshick, "Fast R-CNN", 2015, section 3):
// for each image, every class of every proposal above a score is decoded and clipped, boxes of a
// class are thinned out by non-maximum suppression, and the best of all classes remain.
#pragma once

#include "nn/box_coding_math.h"
#include "nn/box_list.h"

struct detections {
    struct tensor *logits;            // [proposals, 1, 1, classes]; class 0 is background
    struct tensor *deltas;            // [proposals, 1, 1, 4 classes]
    const struct box_list *proposals; // image after image
    const struct extent *extents;     // [num_images]
    int64_t num_images;
    struct box_coding coding;
    float score_threshold; // softmax must be above
    float nms_threshold;
    float min_side;         // of a clipped box, in pixels
    int64_t max_detections; // of one image
};

// Fills list, whose capacity is num_images x max_detections: boxes, scores, labels and images, best
// first within an image. The pointers in detections are borrowed until this returns.
void detections_forward(struct nn *nn, const struct detections *detections, struct box_list *list);
