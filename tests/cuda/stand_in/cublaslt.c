// Stands in for libcublasLt.so.13, for what nn/cuda/cublas calls of it: it computes the products
// one element after another, and ends the program where a rule of the library is broken. With it
// the tests of layers go through the calls that cuBLASLt gets, on a machine without a GPU.
//
// Of the algorithms that it proposes the first cannot run, and the second refuses to now and then,
// where none has run before; the workspace that they ask for is overwritten. It has none at all
// where the inner extent is 9.
#include <cublasLt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/cuda/number_bits.h"

enum { NUM_ALGORITHMS = 3, WORKSPACE_BYTES = 100, REFUSES_EVERY = 5, UNSUPPORTED_EXTENT = 9 };

struct layout {
    cudaDataType type;
    int64_t rows, columns, stride; // of a column
};

struct operation {
    cublasComputeType_t compute;
    cublasOperation_t transposed[2];
    cublasLtEpilogue_t epilogue;
    void *bias;
    bool has_run;
};

struct preference {
    uint64_t workspace_bytes, numerics;
    uint32_t reductions;
    uint32_t alignments[4]; // of A, B, C and D
};

// What an algorithm is good for; lies in cublasLtMatmulAlgo_t.
struct algorithm {
    int32_t number;
    int32_t m, n, k;
    uint32_t alignments[4];
    uint32_t bias_alignment;
};

static int num_alive; // layouts, operations and preferences

static void require(bool holds, const char *rule) {
    if (holds) return;
    fprintf(stderr, "stand-in for cuBLASLt: broken rule: %s\n", rule);
    abort();
}

static cublasStatus_t create(void *result, size_t bytes) {
    void *made = calloc(1, bytes);
    if (!made) return CUBLAS_STATUS_ALLOC_FAILED;
    memcpy(result, &made, sizeof made);
    num_alive++;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t destroy(void *made) {
    require(made != NULL && num_alive > 0, "what is destroyed was created");
    num_alive--;
    free(made);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t set(void *to, size_t bytes, const void *value, size_t value_bytes) {
    require(bytes == value_bytes, "an attribute has its size");
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

// ---- The library and its handle ----

size_t cublasLtGetVersion(void) {
    return CUBLAS_VERSION;
}

const char *cublasLtGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_SUCCESS ? "success" : "a failure of the stand-in";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
    return create(handle, 1);
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    destroy(handle);
    require(num_alive == 0, "all descriptors are destroyed before the handle");
    return CUBLAS_STATUS_SUCCESS;
}

// ---- Descriptors ----

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *result, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t stride) {
    const struct layout layout = {type, (int64_t)rows, (int64_t)columns, stride};
    struct layout *made = NULL;
    require(rows > 0 && columns > 0 && stride >= layout.rows, "columns do not overlap");
    cublasStatus_t status = create(&made, sizeof *made);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    *made = layout;
    *result = (cublasLtMatrixLayout_t)(void *)made;
    return status;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    return destroy(layout);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *result, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
    struct operation *made = NULL;
    require(scale == CUDA_R_32F, "alpha and beta are float32");
    cublasStatus_t status = create(&made, sizeof *made);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    *made = (struct operation){.compute = compute,
                               .transposed = {CUBLAS_OP_N, CUBLAS_OP_N},
                               .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
    *result = (cublasLtMatmulDesc_t)(void *)made;
    return status;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
    return destroy(operation);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t descriptor,
                                              cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes) {
    struct operation *o = (struct operation *)(void *)descriptor;
    switch ((int)name) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return set(&o->transposed[0], sizeof o->transposed[0], value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
        return set(&o->transposed[1], sizeof o->transposed[1], value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return set(&o->epilogue, sizeof o->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return set(&o->bias, sizeof o->bias, value, bytes);
    default:
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *result) {
    struct preference *made = NULL;
    cublasStatus_t status = create(&made, sizeof *made);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    *made =
        (struct preference){0, ~(uint64_t)0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
    *result = (cublasLtMatmulPreference_t)(void *)made;
    return status;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    return destroy(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t descriptor,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void *value, size_t bytes) {
    struct preference *p = (struct preference *)(void *)descriptor;
    switch ((int)name) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return set(&p->workspace_bytes, sizeof p->workspace_bytes, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        return set(&p->reductions, sizeof p->reductions, value, bytes);
    case CUBLASLT_MATMUL_PREF_IMPL_MASK:
        return set(&p->numerics, sizeof p->numerics, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
        return set(&p->alignments[0], sizeof *p->alignments, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
        return set(&p->alignments[1], sizeof *p->alignments, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
        return set(&p->alignments[2], sizeof *p->alignments, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return set(&p->alignments[3], sizeof *p->alignments, value, bytes);
    default:
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

// ---- A product ----

struct product {
    const struct operation *operation;
    const struct layout *a, *b, *c, *d;
};

static struct product product_of(cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                                 cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                 cublasLtMatrixLayout_t d) {
    const struct product product = {(const void *)operation, (const void *)a, (const void *)b,
                                    (const void *)c, (const void *)d};
    return product;
}

static int64_t inner_of(const struct product *p) {
    return p->operation->transposed[0] == CUBLAS_OP_N ? p->a->columns : p->a->rows;
}

static void check_extents(const struct product *p) {
    bool at = p->operation->transposed[0] != CUBLAS_OP_N;
    bool bt = p->operation->transposed[1] != CUBLAS_OP_N;
    require((at ? p->a->columns : p->a->rows) == p->d->rows, "A has the result's rows");
    require((bt ? p->b->rows : p->b->columns) == p->d->columns, "B has the result's columns");
    require((bt ? p->b->columns : p->b->rows) == inner_of(p), "A and B fit");
    require(p->c == p->d, "C lies as D does");
    require(p->a->type == p->b->type, "the factors have one type");
    require(p->d->type == CUDA_R_32F || p->d->type == p->a->type,
            "the result has the factors' type, or is float32");
}

static struct algorithm algorithm_of(const struct product *p, const struct preference *preference,
                                     int number) {
    struct algorithm a = {
        number, (int32_t)p->d->rows, (int32_t)p->d->columns, (int32_t)inner_of(p), {0}, 0};
    uintptr_t bias = (uintptr_t)p->operation->bias;
    memcpy(a.alignments, preference->alignments, sizeof a.alignments);
    a.bias_alignment = (uint32_t)(bias & (~bias + 1));
    return a;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle,
                                              cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t descriptor, int asked,
                                              cublasLtMatmulHeuristicResult_t *results,
                                              int *count) {
    const struct preference *preference = (const void *)descriptor;
    const struct product p = product_of(operation, a, b, c, d);
    require(handle && asked >= NUM_ALGORITHMS, "a handle, and room for results");
    check_extents(&p);
    require(!(preference->reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE),
            "sums are added in an order of their own");
    require(p.a->type != CUDA_R_32F || p.operation->compute == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                !(preference->numerics & CUBLASLT_NUMERICAL_IMPL_FLAGS_TENSOR_OP_MASK),
            "float32 is computed without tensor cores");
    require(preference->workspace_bytes >= WORKSPACE_BYTES, "workspace is allowed");
    *count = 0;
    if (inner_of(&p) == UNSUPPORTED_EXTENT) return CUBLAS_STATUS_NOT_SUPPORTED;
    for (int i = 0; i < NUM_ALGORITHMS; i++) {
        struct algorithm algorithm = algorithm_of(&p, preference, i);
        results[i] = (cublasLtMatmulHeuristicResult_t){
            .workspaceSize = i == NUM_ALGORITHMS - 1 ? WORKSPACE_BYTES : 0,
            .state = i == 0 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS};
        memcpy(&results[i].algo, &algorithm, sizeof algorithm);
    }
    *count = NUM_ALGORITHMS;
    return CUBLAS_STATUS_SUCCESS;
}

static float loaded(const void *data, cudaDataType type, int64_t i) {
    uint16_t bits = 0;
    float value = 0;
    if (type == CUDA_R_32F) {
        memcpy(&value, (const char *)data + i * 4, sizeof value);
        return value;
    }
    memcpy(&bits, (const char *)data + i * 2, sizeof bits);
    return type == CUDA_R_16BF ? number_from_bf16(bits) : number_from_fp16(bits);
}

static void store(void *data, cudaDataType type, int64_t i, float value) {
    uint16_t bits = type == CUDA_R_16BF ? number_to_bf16(value) : number_to_fp16(value);
    if (type == CUDA_R_32F)
        memcpy((char *)data + i * 4, &value, sizeof value);
    else
        memcpy((char *)data + i * 2, &bits, sizeof bits);
}

static float at(const void *data, const struct layout *layout, cublasOperation_t transposed,
                int64_t row, int64_t column) {
    int64_t i =
        transposed == CUBLAS_OP_N ? row + column * layout->stride : column + row * layout->stride;
    return loaded(data, layout->type, i);
}

// What follows a product has the type of the result: the bias, too.
static void multiply(const struct product *p, const void *a, const void *b, float beta,
                     const void *c, void *result) {
    const struct operation *o = p->operation;
    bool cuts = o->epilogue & CUBLASLT_EPILOGUE_RELU;
    const void *bias = o->epilogue & CUBLASLT_EPILOGUE_BIAS ? o->bias : NULL;
    cudaDataType type = p->d->type;
    for (int64_t column = 0; column < p->d->columns; column++) {
        for (int64_t row = 0; row < p->d->rows; row++) {
            int64_t d = row + column * p->d->stride;
            float sum = 0;
            for (int64_t i = 0; i < inner_of(p); i++)
                sum += at(a, p->a, o->transposed[0], row, i) *
                       at(b, p->b, o->transposed[1], i, column);
            if (beta != 0) sum += beta * loaded(c, type, d);
            if (bias) sum += loaded(bias, type, row);
            store(result, type, d, cuts && sum < 0 ? 0 : sum);
        }
    }
}

static void check_addresses(const struct algorithm *algorithm, const struct operation *operation,
                            const void *const *addresses) {
    for (int i = 0; i < 4; i++)
        require(addresses[i] && (uintptr_t)addresses[i] % algorithm->alignments[i] == 0,
                "matrices are aligned as was said");
    if (!(operation->epilogue & CUBLASLT_EPILOGUE_BIAS)) return;
    require(operation->bias && (uintptr_t)operation->bias % algorithm->bias_alignment == 0,
            "the bias is aligned as was said");
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                              const void *alpha, const void *a, cublasLtMatrixLayout_t a_layout,
                              const void *b, cublasLtMatrixLayout_t b_layout, const void *beta,
                              const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspace_bytes, cudaStream_t stream) {
    static int num_products;
    struct operation *called = (struct operation *)(void *)operation;
    const struct product p = product_of(operation, a_layout, b_layout, c_layout, d_layout);
    struct algorithm algorithm;
    memcpy(&algorithm, algo, sizeof algorithm);
    require(handle && stream, "a handle and a stream");
    require(*(const float *)alpha == 1, "factors are not scaled");
    require(algorithm.number > 0, "an algorithm that can run");
    require(algorithm.m == p.d->rows && algorithm.n == p.d->columns && algorithm.k == inner_of(&p),
            "an algorithm runs the product that it was proposed for");
    check_extents(&p);
    check_addresses(&algorithm, p.operation, (const void *const[]){a, b, c, d});
    bool may_refuse = algorithm.number == 1 && !called->has_run;
    if (may_refuse && num_products++ % REFUSES_EVERY == 0) return CUBLAS_STATUS_EXECUTION_FAILED;
    called->has_run = true;
    if (algorithm.number == NUM_ALGORITHMS - 1) {
        require(workspace && (uintptr_t)workspace % 256 == 0 && workspace_bytes >= WORKSPACE_BYTES,
                "workspace is there, and aligned");
        memset(workspace, 0xFF, WORKSPACE_BYTES);
    }
    multiply(&p, a, b, *(const float *)beta, c, d);
    return CUBLAS_STATUS_SUCCESS;
}
