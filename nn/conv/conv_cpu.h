// What the two halves of the convolution on the CPU share.
#pragma once

#include "nn/conv/conv.h"
#include "nn/onednn.h"

// Some neighbouring images of the batch.
struct images {
    int64_t first, count;
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
