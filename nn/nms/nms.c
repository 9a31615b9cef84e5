#include "nn/nms/nms.h"

#include "base/check.h"

void nms_forward(struct nn *nn, const float *boxes, const int32_t *groups, int64_t count,
                 float threshold, int64_t max_keep, struct indices *kept) {
    CHECK(count >= 0 && count <= INT32_MAX && max_keep >= 0 && threshold >= 0);
    struct nms_call *call = nn_call(nn, OP_nms, sizeof *call);
    kept->count = max_keep < count ? max_keep : count;
    CHECK(kept->count <= kept->capacity);
    call->boxes = boxes;
    call->groups = groups;
    call->count = count;
    call->threshold = threshold;
    call->max_keep = max_keep;
    call->kept = kept;
    nn_run(nn, &call->call);
    if (nn_failed(nn)) kept->count = 0;
}
