// What the mask head is to predict for a region: the part of its truth's mask inside it, at the
// resolution of the logits (He et al., 2017, section 3.1).
#pragma once

#include "data/rle.h"
#include "detector/conventions.h"

// targets[regions, size, size], from 0 to 1. masks[truths[i]] is the truth of region i, a mask of
// the resized image, whose frame the boxes are in. Only one mask at a time exists as pixels.
// Nothing is written after a failure.
void mask_targets_make(struct nn *nn, const struct conventions_rules *rules,
                       const struct rle *masks, int64_t num_masks, const struct box_list *regions,
                       const int32_t *truths, int64_t size, float *targets);
