#include "nn/cuda/cost_launch.h"
#include "nn/roi_levels/roi_levels_call.h"

void cost_roi_levels_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct roi_levels_call *call = (const struct roi_levels_call *)base;
    double count = (double)call->list->count;
    if (count > 0) cost_pass(sheet, "levels", 5 * count, 10 * count);
}
