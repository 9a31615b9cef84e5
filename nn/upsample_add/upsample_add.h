// The step down a feature pyramid (Lin et al., "Feature Pyramid Networks", CVPR 2017, figure 3):
// the coarser map, resized to the finer one's size by taking the nearest position, is added to it.
//
//     y[h, w] = lateral[h, w] + top[source(h), source(w)]
#pragma once

#include "nn/nn.h"

struct upsample_add_call {
    struct call call;
};

// [n, h, w, c] and [n, any, any, c] to [n, h, w, c].
struct tensor *upsample_add_forward(struct nn *nn, struct tensor *lateral, struct tensor *top);
