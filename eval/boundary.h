// Boundary IoU (Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation
// Evaluation", CVPR 2021): overlap of the inner borders of two masks, which does not reward large
// objects for their inside. Boundary AP judges by the smaller of mask IoU and boundary IoU.
#pragma once

#include "data/rle.h"

// The pixels of mask within distance d of its outline (or of the image's edge), d being
// dilation_ratio times the image's diagonal, at least 1: the mask less its erosion by d steps of a
// 3 x 3 square.
MUST_CHECK enum status boundary_of_mask(struct rle *boundary, const struct rle *mask,
                                        double dilation_ratio, struct arena *arena,
                                        struct error *err);

// Lowers ious[num_found, num_truths] to the boundary IoU wherever that is smaller.
MUST_CHECK enum status boundary_lower_ious(double *ious, const struct rle *found, int64_t num_found,
                                           const struct rle *truths, const bool *crowds,
                                           int64_t num_truths, double dilation_ratio,
                                           struct arena *arena, struct error *err);
