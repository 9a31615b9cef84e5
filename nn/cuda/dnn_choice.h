// Which products cuBLAS computes; all others, and what it does not do, are cuDNN's. This follows
// from measurements (bench/products prints both), so it may be changed without a reason of another
// kind.
#pragma once

#include "nn/cuda/dnn_shape.h"

enum dnn_product { DNN_PRODUCT, DNN_INPUT_GRADIENT, DNN_WEIGHTS_GRADIENT };

// What multiplies: float32, or tensor cores.
enum dnn_arithmetic { DNN_FLOAT32, DNN_TF32, DNN_16_BITS };

static inline bool dnn_prefers_cublas(enum dnn_product product, enum dnn_arithmetic arithmetic,
                                      const struct dnn_shape *shape) {
    static const bool OF_MATRICES[][3] = {
        // float32, TF32, 16 bits
        {true, true, true}, // the product
        {true, true, true}, // the gradient of its input
        {true, true, true}, // the gradient of its weights
    };
    return dnn_is_matmul(shape) && OF_MATRICES[product][arithmetic];
}
