#include "nn/device.h"
#include "nn/roi_levels/roi_levels_call.h"

void cpu_roi_levels_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct roi_levels_call *call = (const struct roi_levels_call *)base;
    struct box_list *list = call->list;
    for (int64_t i = 0; i < list->count; i++)
        list->levels[i] = roi_level(list->boxes + 4 * i, call->rule, call->num_levels);
}
