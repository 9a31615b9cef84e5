// What the mask head is to predict for a region: the part of its truth's mask inside it, at the
// resolution of the logits (He et al., 2017, section 3.1).
#pragma once

#include "data/polygon.h"
#include "detector/conventions.h"

// The mask of an object in the frame of the resized image: polygons, or pixels.
struct object_mask {
    const struct polygon *polygons; // united; they may reach out of the image
    int64_t num_polygons;           // 0: the mask is rle
    struct rle rle;                 // as large as the resized image
};

// targets[regions, size, size], from 0 to 1. masks[truths[i]] is the truth of region i. Polygons
// are moved and scaled into each region and drawn at its resolution (detectron2,
// structures/masks.py); of a mask as pixels RoIAlign takes samples, and only one at a time exists
// as pixels. After a failure the targets mean nothing.
void mask_targets_make(struct nn *nn, const struct conventions_rules *rules,
                       const struct object_mask *masks, int64_t num_masks,
                       const struct box_list *regions, const int32_t *truths, int64_t size,
                       float *targets);
