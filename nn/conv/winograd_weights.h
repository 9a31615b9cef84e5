// The weights of Winograd's convolution, and their gradient; nn/conv/winograd.h.
#pragma once

#include <stdint.h>

enum { WINOGRAD_POINTS = 36 };

// transformed[36, out, in] = G w G^T from weights [out, in, 3, 3].
void winograd_transform_weights(const float *weights, int64_t out, int64_t in, float *transformed);

// The way back, for gradients: [out, in, 3, 3] = G^T x G from x [36, out, in].
void winograd_gather_gradient(const float *transformed, int64_t out, int64_t in, float *gradient);
