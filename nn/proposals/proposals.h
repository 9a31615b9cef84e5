// From the region proposal network's maps to boxes (Ren et al., "Faster R-CNN", 2015, section 3.3;
// with a pyramid, Lin et al., 2017, section 4.1). For each image: the best anchors of each level
// are decoded, clipped to the image and, if they are not too small, thinned out by non-maximum
// suppression within their level; the best of all levels remain.
#pragma once

#include "nn/box_coding_math.h"
#include "nn/box_list.h"
#include "nn/host_device.h"

enum { PROPOSALS_MAX_LEVELS = 5, PROPOSALS_MAX_ANCHORS = 16 };

struct proposal_level {
    struct tensor *logits; // [n, h, w, anchors]
    struct tensor *deltas; // [n, h, w, 4 anchors]
    float stride_x, stride_y;
    float cells[PROPOSALS_MAX_ANCHORS][4]; // the anchors at position 0, 0
};

struct proposals {
    int num_levels;
    int64_t num_anchors; // at one position
    struct proposal_level levels[PROPOSALS_MAX_LEVELS];
    const struct extent *extents; // [n]
    int64_t pre_nms;              // anchors of one level that enter suppression
    int64_t post_nms;             // boxes of one image that remain
    float nms_threshold;          // IoU above which the lower box goes
    float min_side;               // of a clipped box, in pixels
};

// A cell's corner plus the shift, as torchvision and detectron2 compute it. index counts in the
// order of the logits of a map width wide: y, x, anchor of the position.
HOST_DEVICE static inline void anchor_of_cells(const float (*cells)[4], float stride_x,
                                               float stride_y, int64_t width, int64_t num_anchors,
                                               int64_t index, float anchor[4]) {
    int64_t position = index / num_anchors;
    const float *cell = cells[index % num_anchors];
    int64_t column = position % width;
    int64_t row = position / width;
    float x = (float)column * stride_x;
    float y = (float)row * stride_y;
    anchor[0] = x + cell[0];
    anchor[1] = y + cell[1];
    anchor[2] = x + cell[2];
    anchor[3] = y + cell[3];
}

static inline void anchor_at(const struct proposal_level *level, int64_t num_anchors, int64_t index,
                             float anchor[4]) {
    anchor_of_cells((const float(*)[4])level->cells, level->stride_x, level->stride_y,
                    level->logits->w, num_anchors, index, anchor);
}

// Fills list: boxes, scores (the logits) and images, best first within an image. A packed list has
// the capacity n x post_nms; one with places has post_nms or more for each image, and then nothing
// is waited for. The pointers in proposals are borrowed until this returns.
void proposals_forward(struct nn *nn, const struct proposals *proposals, struct box_list *list);
