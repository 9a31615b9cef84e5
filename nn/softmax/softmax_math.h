// The softmax of a row, shifted by its maximum so that nothing overflows; the same on every device.
#pragma once

#include <math.h>
#include <stdint.h>

#include "nn/host_device.h"

// exp(x[j] - max) / sum is the softmax, log(sum) + max - x[j] its cross-entropy.
struct softmax_row {
    float max;
    double sum;
};

HOST_DEVICE static inline struct softmax_row softmax_row_of(const float *x, int64_t c) {
    struct softmax_row row = {.max = x[0]};
    for (int64_t j = 1; j < c; j++)
        row.max = x[j] > row.max ? x[j] : row.max;
    for (int64_t j = 0; j < c; j++)
        row.sum += (double)expf(x[j] - row.max);
    return row;
}

HOST_DEVICE static inline float softmax_of(struct softmax_row row, float x) {
    return (float)((double)expf(x - row.max) / row.sum);
}
