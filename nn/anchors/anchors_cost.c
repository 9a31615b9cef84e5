#include "nn/anchors/anchors.h"
#include "nn/cuda/cost_launch.h"

void cost_anchors_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct anchors_call *call = (const struct anchors_call *)base;
    double count = 0;
    for (int i = 0; i < call->num_levels; i++) {
        const struct tensor *logits = call->levels[i].logits;
        count += (double)(logits->h * logits->w * call->num_anchors);
    }
    if (count > 0) cost_pass(sheet, "anchors", 4 * count, 6 * count);
}
