#include "nn/roi_levels/roi_levels_call.h"

#include "base/check.h"

void roi_levels_forward(struct nn *nn, struct box_list *list, enum roi_level_rule rule,
                        int num_levels) {
    CHECK(num_levels >= 1);
    struct roi_levels_call *call = nn_call(nn, OP_roi_levels, sizeof *call);
    call->list = list;
    call->rule = rule;
    call->num_levels = num_levels;
    nn_run(nn, &call->call);
}
