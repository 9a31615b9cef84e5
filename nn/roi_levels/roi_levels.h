// Which level of the pyramid a region's features come from (Lin et al., 2017, eq. 1):
// k = floor(4 + log2(sqrt(area) / 224)), cut to P2..P5.
#pragma once

#include <math.h>

#include "nn/box_list.h"
#include "nn/host_device.h"

// Where the epsilon stands that keeps a region of exactly 224 pixels on its level.
enum roi_level_rule {
    ROI_LEVELS_DETECTRON2,  // inside the logarithm, 1e-8
    ROI_LEVELS_TORCHVISION, // behind it, 1e-6
};

// 0 for P2 to num_levels - 1.
HOST_DEVICE static inline int32_t roi_level(const float box[4], enum roi_level_rule rule,
                                            int num_levels) {
    float side = sqrtf((box[2] - box[0]) * (box[3] - box[1]));
    float level = rule == ROI_LEVELS_DETECTRON2 ? 4 + log2f(side / 224 + 1e-8f)
                                                : 4 + log2f(side / 224) + 1e-6f;
    float index = floorf(level) - 2;
    if (!(index > 0)) return 0; // an empty box has no logarithm
    return index < (float)(num_levels - 1) ? (int32_t)index : (int32_t)(num_levels - 1);
}

// Fills list->levels.
void roi_levels_forward(struct nn *nn, struct box_list *list, enum roi_level_rule rule,
                        int num_levels);
