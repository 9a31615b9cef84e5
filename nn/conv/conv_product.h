// 1x1 convolutions in bf16, as matrix products of positions: [h w, in] x [in, out]. Activations are
// rounded a piece at a time, and multiplied while they are in the cache, so that a convolution
// reads and writes memory only once, and a gate is multiplied in for nothing.
#pragma once

#include "nn/conv/conv.h"

bool conv_product_applies(const struct nn *nn, const struct conv *conv);

// call's result, from inputs that are all computed.
void conv_product_run(struct nn *nn, const struct conv_call *call);
