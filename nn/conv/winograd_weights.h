// The weights of Winograd's convolution; nn/conv/winograd.h.
#pragma once

#include <stdint.h>

enum { WINOGRAD_POINTS = 36 };

// transformed[36, out, in] = G w G^T from weights [out, in, 3, 3].
void winograd_transform_weights(const float *weights, int64_t out, int64_t in, float *transformed);
