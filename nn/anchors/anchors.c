#include "nn/anchors/anchors.h"

#include "base/check.h"

void anchors_forward(struct nn *nn, const struct proposal_level *levels, int num_levels,
                     int64_t num_anchors, float *boxes) {
    CHECK(num_levels >= 1 && num_levels <= PROPOSALS_MAX_LEVELS);
    CHECK(num_anchors >= 1 && num_anchors <= PROPOSALS_MAX_ANCHORS);
    struct anchors_call *call = nn_call(nn, OP_anchors, sizeof *call);
    call->levels = levels;
    call->num_levels = num_levels;
    call->num_anchors = num_anchors;
    call->boxes = boxes;
    call->call.label = "anchors";
    nn_run(nn, &call->call);
}
