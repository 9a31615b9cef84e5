#include "nn/cuda/loss.h"

// A warp.
static __global__ void add_parts(const double *parts, float scale, float *out) {
    double total = 0;
    for (unsigned part = threadIdx.x; part < LOSS_PARTS; part += 32)
        total += parts[part];
    total = block_sum(total);
    if (threadIdx.x == 0) out[0] = (float)((double)scale * total);
}

void cuda_loss_write(struct nn *nn, const double *parts, float scale, struct tensor *out) {
    LAUNCH(nn, add_parts, 1, 32, 0, parts, scale, out->data);
}
