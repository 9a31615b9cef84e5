// Smooth L1 (Girshick, "Fast R-CNN", ICCV 2015, eq. 3, with the width beta), the same on every
// device: d^2 / (2 beta) where |d| < beta, |d| - beta / 2 beyond; L1 for beta 0.
#pragma once

#include <math.h>

#include "nn/host_device.h"

HOST_DEVICE static inline float smooth_l1(float d, float beta) {
    float size = fabsf(d);
    return size < beta ? 0.5f * d * d / beta : size - 0.5f * beta;
}

// The derivative; L1's is 0 at 0.
HOST_DEVICE static inline float smooth_l1_slope(float d, float beta) {
    if (fabsf(d) < beta) return d / beta;
    return d > 0 ? 1 : d < 0 ? -1 : d; // 0, or a NaN that must be seen
}
