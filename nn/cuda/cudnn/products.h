// The three products of nn/cuda/dnn.h by cuDNN. They return false, having done nothing, where
// kernels of our own are to compute: in a module that was built without cuDNN, and for grouped
// convolutions that it has no plan for. Anything else that it cannot do is a failure.
#pragma once

#include "nn/cuda/dnn.h"

struct plans;

// Its name and version; "" in a module that was built without it. Fails where it cannot be opened.
MUST_CHECK enum status cudnn_describe(char *text, size_t bytes, struct error *err);

// The plans of a device, which is the current one; NULL without cuDNN.
MUST_CHECK enum status cudnn_plans_open(struct plans **plans, int device, cudaStream_t stream,
                                        struct error *err);
void cudnn_plans_close(struct plans *plans);

struct plans *cuda_plans(const struct nn *nn); // of a context's device

bool cudnn_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                   struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y);

bool cudnn_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                         struct numbers weights, bool add, struct numbers dx);

bool cudnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                            struct numbers dy, struct numbers dweights);
