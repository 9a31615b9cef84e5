// A plan: how cuBLASLt sees a product, and the algorithms that its heuristics propose.
//
// cuBLASLt's matrices lie column after column, so ours are their own transposes there, and it
// computes the transposed equations (matmuls.h):
//
//     y^T = W x^T        dx^T = W^T dy^T        dW^T = x^T dy
#pragma once

#include "nn/cuda/cublas/library.h"
#include "nn/cuda/cublas/matmuls.h"

enum { MATMUL_MAX_ALGORITHMS = 8 };

struct matmul_plan {
    struct matmul matmul;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, result;                               // transposed
    cublasLtMatmulHeuristicResult_t algorithms[MATMUL_MAX_ALGORITHMS]; // best first
    int num_algorithms;
    int current;  // of algorithms; num_algorithms: none is left
    bool has_run; // the last time
    char failure[ERROR_MESSAGE_BYTES];
    struct matmul_plan *next; // made before it
};

// Of plan->matmul, all else zeroed. Without an algorithm plan->failure says why.
void matmul_plan_build(const struct cublas *cublas, cublasLtHandle_t handle,
                       struct matmul_plan *plan);
void matmul_plan_destroy(const struct cublas *cublas, struct matmul_plan *plan);

// The steps of building that no device is needed for.
cublasStatus_t matmul_plan_describe(const struct cublas *cublas, struct matmul_plan *plan);
cublasStatus_t matmul_preference_create(const struct cublas *cublas, const struct matmul *matmul,
                                        cublasLtMatmulPreference_t *preference);
