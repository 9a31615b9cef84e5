#include "nn/top_k/top_k.h"

#include "base/check.h"

void top_k_forward(struct nn *nn, const float *scores, int64_t count, int64_t k,
                   struct indices *out) {
    CHECK(k >= 0 && count >= 0 && count <= INT32_MAX);
    struct top_k_call *call = nn_call(nn, OP_top_k, sizeof *call);
    out->count = k < count ? k : count;
    CHECK(out->count <= out->capacity);
    call->scores = scores;
    call->count = count;
    call->out = out;
    nn_run(nn, &call->call);
    if (nn_failed(nn)) out->count = 0;
}
