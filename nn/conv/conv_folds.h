// What CUDA's kernels do about gates.
#pragma once

#include "nn/conv/conv.h"

// Whether the result's squares are summed up, for the gate that follows.
static inline bool conv_sums_squares(const struct conv *conv) {
    return conv->gate_follows && conv->images_at_once == 1;
}

// Where the gate goes: into the weights where these are smaller than an image (feature maps), image
// by image; elsewhere (the maps of regions) activations are scaled.
static inline bool conv_folds_gate(const struct conv *conv, const struct tensor *x) {
    return conv->images_at_once == 1 && conv->weight->count < x->h * x->w * x->c;
}
