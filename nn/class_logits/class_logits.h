// One channel of a 1x1 convolution for each image: the mask predictor, when it is known which class
// each region has. With 80 classes that is an eightieth of the work.
#pragma once

#include "nn/conv/conv.h"

struct class_logits_call {
    struct call call;
    const struct conv *conv;
    const int32_t *labels;
};

// out[n, h, w, 1] = the convolution's channel labels[n] of x. conv is 1x1 with a bias; labels is
// borrowed until this returns. Nothing flows back.
struct tensor *class_logits_forward(struct nn *nn, const struct conv *conv, struct tensor *x,
                                    const int32_t *labels);
