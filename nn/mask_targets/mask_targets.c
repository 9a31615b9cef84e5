#include "nn/mask_targets/mask_targets.h"

#include "base/check.h"

void mask_targets_forward(struct nn *nn, const struct packed_masks *masks,
                          const struct mask_regions *regions, int64_t size, bool aligned,
                          float *targets) {
    CHECK(size >= 1 && size <= MASK_TARGETS_MAX_SIZE);
    struct mask_targets_call *call = nn_call(nn, OP_mask_targets, sizeof *call);
    call->masks = *masks;
    call->regions = *regions;
    call->size = size;
    call->aligned = aligned;
    call->targets = targets;
    call->call.label = "mask targets";
    nn_run(nn, &call->call);
}
