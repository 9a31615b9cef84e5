#include "nn/cuda/cost_launch.h"
#include "nn/mask_targets/mask_targets.h"

// As if all masks were pixels, each of them read.
void cost_mask_targets_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct mask_targets_call *call = (const struct mask_targets_call *)base;
    const struct packed_masks *masks = &call->masks;
    double targets = (double)(call->regions.count * call->size * call->size);
    double points = 4 * (double)masks->num_corners; // twice as long as other values
    double words = (double)masks->num_words;
    if (call->regions.count == 0) return;
    if (masks->num_words > 0)
        cost_pass(sheet, "masks' pixels", (double)masks->num_changes + words, 0);
    cost_pass(sheet, "samples of pixels", words + targets, 0);
    if (masks->num_polygons > 0) cost_pass(sheet, "polygons", points + targets, 0);
}
