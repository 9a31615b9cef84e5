// The products of nn/cuda/dnn.h that are products of matrices, by cuBLASLt. They return false,
// having done nothing, where others are to compute: for convolutions, in a module that was built
// without cuBLAS, where the library is missing, and where it has no algorithm that computes as is
// asked.
#pragma once

#include "nn/cuda/dnn.h"

struct matmuls;

// Its name and version, or what is missing; "" in a module that was built without it.
void cublas_describe(char *text, size_t bytes);

// The plans of the current device; NULL without cuBLAS.
MUST_CHECK enum status cublas_matmuls_open(struct matmuls **matmuls, struct error *err);
void cublas_matmuls_close(struct matmuls *matmuls);

struct matmuls *cuda_matmuls(const struct nn *nn); // of a context's device

bool cublas_forward(struct nn *nn, const struct dnn_shape *shape, const float *x,
                    const float *weights, const struct dnn_epilogue *epilogue, float *y);

bool cublas_backward_data(struct nn *nn, const struct dnn_shape *shape, const float *dy,
                          const float *weights, bool add, float *dx);

bool cublas_backward_weights(struct nn *nn, const struct dnn_shape *shape, const float *x,
                             const float *dy, float *dweights);
