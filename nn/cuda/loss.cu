#include "nn/cuda/loss.h"

static __global__ void add_parts(const double *parts, float scale, float *out) {
    double total = 0;
    for (int part = 0; part < LOSS_PARTS; part++)
        total += parts[part];
    out[0] = (float)((double)scale * total);
}

void cuda_loss_write(struct nn *nn, const double *parts, float scale, struct tensor *out) {
    LAUNCH(nn, add_parts, 1, 1, 0, parts, scale, out->data);
}
