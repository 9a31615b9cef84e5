// The logistic function and its loss, the same on every device.
#pragma once

#include <math.h>

#include "nn/host_device.h"

HOST_DEVICE static inline float sigmoid_of(float x) {
    float e = expf(-fabsf(x)); // at most 1: nothing overflows
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

// -(t log p + (1 - t) log(1 - p)) with p = sigmoid(x), without the cancellation.
HOST_DEVICE static inline float sigmoid_cross_entropy(float x, float target) {
    float positive = x < 0 ? 0 : x; // a NaN stays one
    return positive - x * target + log1pf(expf(-fabsf(x)));
}
