// Where CUDA's kernels put a gate: into the weights where these are smaller than an image (feature
// maps), image by image; elsewhere (the maps of regions) activations are scaled.
#pragma once

#include "nn/conv/conv.h"

static inline bool conv_folds_gate(const struct conv *conv, const struct tensor *x) {
    return conv->images_at_once == 1 && conv->weight->count < x->h * x->w * x->c;
}
