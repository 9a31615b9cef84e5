// The products of nn/cuda/dnn.h that are products of matrices (dnn_is_matmul), by cuBLASLt, on
// devices that have cuda_matmuls. They return false, having done nothing, where others are to
// compute: for sums of squares, and where cuBLASLt has no algorithm that computes as is asked.
#pragma once

#include "nn/cuda/dnn.h"

struct matmuls;

// Its name and version, or what is missing; "" in a module that was built without it.
void cublas_describe(char *text, size_t bytes);

// The plans of the current device; NULL where the library is missing, or in a module that was built
// without it.
MUST_CHECK enum status cublas_matmuls_open(struct matmuls **matmuls, struct error *err);
void cublas_matmuls_close(struct matmuls *matmuls);

struct matmuls *cuda_matmuls(const struct nn *nn); // of a context's device, or NULL

bool cublas_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                    struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y);

bool cublas_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                          struct numbers weights, bool add, struct numbers dx);

// dweights = (add ? dweights : 0) + the gradient.
bool cublas_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                             struct numbers dy, bool add, float *dweights);
