// The indices of the best scores, best first. Of equal scores the lower index comes first, so the
// choice is that of a stable sort; NaN comes last.
#pragma once

#include "nn/indices.h"
#include "nn/nn.h"

struct top_k_call {
    struct call call;
    const float *scores;
    int64_t count;
    struct indices *out; // count is set already
};

// The min(k, count) best of scores[count]; out must have room for them.
void top_k_forward(struct nn *nn, const float *scores, int64_t count, int64_t k,
                   struct indices *out);
