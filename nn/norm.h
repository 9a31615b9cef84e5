// Batch normalisation whose statistics are frozen: y[c] = scale[c] x[c] + shift[c], with
// scale = weight / sqrt(variance + epsilon) and shift = bias - mean scale (Ioffe and Szegedy, 2015,
// algorithm 2). It is folded into the convolution before it and never trained.
#pragma once

#include <math.h>

#include "nn/parameters.h"

struct frozen_norm {
    struct parameter *weight, *bias, *mean, *variance; // [channels]
    float epsilon; // 1e-5; 0 for torchvision's published detectors
};

static inline float frozen_norm_scale(const struct frozen_norm *norm, int64_t c) {
    return norm->weight->data[c] / sqrtf(norm->variance->data[c] + norm->epsilon);
}

static inline float frozen_norm_shift(const struct frozen_norm *norm, int64_t c) {
    return norm->bias->data[c] - norm->mean->data[c] * frozen_norm_scale(norm, c);
}
