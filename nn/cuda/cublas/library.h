// cuBLASLt's functions, from libcublasLt.so, which is opened when a device is: a program is built
// without it, and where it is missing products of matrices are computed in another way.
#pragma once

#include <cublasLt.h>

#include "base/error.h"

#define CUBLAS_FUNCTIONS(F)                                                                        \
    F(cublasLtGetVersion)                                                                          \
    F(cublasLtGetStatusString)                                                                     \
    F(cublasLtCreate)                                                                              \
    F(cublasLtDestroy)                                                                             \
    F(cublasLtMatrixLayoutCreate)                                                                  \
    F(cublasLtMatrixLayoutDestroy)                                                                 \
    F(cublasLtMatmulDescCreate)                                                                    \
    F(cublasLtMatmulDescDestroy)                                                                   \
    F(cublasLtMatmulDescSetAttribute)                                                              \
    F(cublasLtMatmulPreferenceCreate)                                                              \
    F(cublasLtMatmulPreferenceDestroy)                                                             \
    F(cublasLtMatmulPreferenceSetAttribute)                                                        \
    F(cublasLtMatmulAlgoGetHeuristic)                                                              \
    F(cublasLtMatmul)

struct cublas {
#define DECLARE(name) __typeof__(name) *(name);
    CUBLAS_FUNCTIONS(DECLARE)
#undef DECLARE
};

// Stays open.
MUST_CHECK enum status cublas_open(struct cublas *cublas, struct error *err);
