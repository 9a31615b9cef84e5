#include "nn/anchors/anchors.h"
#include "nn/device.h"

void cpu_anchors_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct anchors_call *call = (const struct anchors_call *)base;
    float *at = call->boxes;
    for (int i = 0; i < call->num_levels; i++) {
        const struct tensor *logits = call->levels[i].logits;
        int64_t count = logits->h * logits->w * call->num_anchors;
        for (int64_t j = 0; j < count; j++, at += 4)
            anchor_at(&call->levels[i], call->num_anchors, j, at);
    }
}
