#include "detector/conventions.h"

static const struct conventions_rules RULES[] = {
    [CONVENTIONS_DETECTRON2] =
        {
            .anchors = ANCHORS_EXACT,
            .roi_pooling = {.sampling = 0, .aligned = true, .level_rule = ROI_LEVELS_DETECTRON2},
            .size_rule = SIZE_RULE_DETECTRON2,
            .resizes_bytes = true,
            .proposal_min_side = 0,
            .detection_min_side = 0,
            .paste = PASTE_PIXEL_CENTRES,
            .box_loss_beta = 0,
            .aligned_mask_targets = true,
            .polygon_mask_targets = true,
            .mask_pixel_centres = true,
            .small_mask_logits = true,
        },
    [CONVENTIONS_TORCHVISION] =
        {
            .anchors = ANCHORS_ROUNDED,
            .roi_pooling = {.sampling = 2, .aligned = false, .level_rule = ROI_LEVELS_TORCHVISION},
            .size_rule = SIZE_RULE_TORCHVISION,
            .resizes_bytes = false,
            .proposal_min_side = 1e-3,
            .detection_min_side = 1e-2,
            .paste = PASTE_WHOLE_BOXES,
            .box_loss_beta = 1.0f / 9,
            .aligned_mask_targets = false,
            .polygon_mask_targets = false,
            .mask_pixel_centres = false,
            .small_mask_logits = false,
        },
};

const struct conventions_rules *conventions_of(enum conventions conventions) {
    return &RULES[conventions];
}
