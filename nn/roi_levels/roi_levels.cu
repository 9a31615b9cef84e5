#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/roi_levels/roi_levels_call.h"
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    find_levels(const float *boxes, int64_t count, enum roi_level_rule rule, int num_levels,
                int32_t *levels) {
    int64_t i = global_index();
    if (i < count) levels[i] = roi_level(boxes + 4 * i, rule, num_levels);
}

void cuda_roi_levels_forward(struct nn *nn, struct call *base) {
    const struct roi_levels_call *call = (const struct roi_levels_call *)base;
    const struct box_list *list = call->list;
    if (list->count == 0) return;
    struct operands o = {.nn = nn};
    const float *boxes = operand_in(&o, list->boxes, 4 * list->count);
    int32_t *levels = operand_out(&o, list->levels, list->count);
    LAUNCH(nn, find_levels, blocks_for(list->count, BLOCK_THREADS), BLOCK_THREADS, 0, boxes,
           list->count, call->rule, call->num_levels, levels);
    operands_end(&o);
}
