// What the two halves of the convolution on the CPU share.
#pragma once

#include "nn/conv/conv.h"
#include "nn/onednn.h"

// Some neighbouring images of the batch.
struct images {
    int64_t first, count;
};

// What a gradient of the weights follows from: images [count, height, width, in], which gates
// [count, in] (NULL: none) are multiplied into, and the gradients of their results.
struct conv_gradient {
    const struct conv *conv;
    int64_t count, height, width;
    const float *src;
    const float *gates;
    const float *diff_dst;
};

// Whether a gate is folded into the weights, or else multiplied into the activations: whatever
// moves fewer bytes.
bool conv_folds_gate(const struct conv *conv, const struct tensor *x);

// The shape of a computation over count images of x.
struct dnn_conv conv_shape(const struct conv *conv, const struct tensor *x, int64_t count,
                           enum dnn_pass pass);

// A prepared primitive with its scratch memory; NULL after a failure.
struct dnn_primitive *conv_prepare(struct nn *nn, const struct conv *conv,
                                   const struct dnn_conv *shape, float **scratch);

// Runs it and gives the scratch memory back.
void conv_run(struct nn *nn, const struct conv *conv, struct dnn_primitive *primitive,
              struct dnn_arguments arguments, float *scratch);
