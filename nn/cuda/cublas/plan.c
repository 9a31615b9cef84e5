#include "nn/cuda/cublas/plan.h"

#include <stdio.h>

static const uint64_t MAX_WORKSPACE_BYTES = (uint64_t)32 << 20; // NVIDIA's advice for the H100

// ---- The operation ----

static cudaDataType_t type_of(const struct matmul_operand *operand) {
    static const cudaDataType_t TYPES[] = {
        [MATMUL_FLOAT32] = CUDA_R_32F, [MATMUL_BF16] = CUDA_R_16BF, [MATMUL_FP16] = CUDA_R_16F};
    return TYPES[operand->type];
}

// Products in float32 that are what they say: without tensor cores.
static bool is_strict(const struct matmul *m) {
    return m->x.type == MATMUL_FLOAT32 && m->y.type == MATMUL_FLOAT32 && !(m->rules & MATMUL_TF32);
}

static cublasLtEpilogue_t epilogue_of(const struct matmul *m) {
    static const cublasLtEpilogue_t EPILOGUES[] = {
        [0] = CUBLASLT_EPILOGUE_DEFAULT,
        [MATMUL_BIAS] = CUBLASLT_EPILOGUE_BIAS,
        [MATMUL_RELU] = CUBLASLT_EPILOGUE_RELU,
        [MATMUL_BIAS + MATMUL_RELU] = CUBLASLT_EPILOGUE_RELU_BIAS,
    };
    return EPILOGUES[m->epilogue];
}

struct attribute {
    cublasLtMatmulDescAttributes_t name;
    const void *value;
    size_t bytes;
};

static cublasStatus_t create_operation(const struct cublas *cublas, struct matmul_plan *plan) {
    const struct matmul *m = &plan->matmul;
    const cublasComputeType_t compute =
        m->rules & MATMUL_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const cublasOperation_t transposed[] = {m->kind == MATMUL_FORWARD ? CUBLAS_OP_T : CUBLAS_OP_N,
                                            m->kind == MATMUL_WEIGHTS ? CUBLAS_OP_T : CUBLAS_OP_N};
    const cublasLtEpilogue_t epilogue = epilogue_of(m);
    // Heuristics look at no more of an address than its alignment.
    const void *bias = (const void *)(uintptr_t)m->bias_alignment;
    const struct attribute attributes[] = {
        {CUBLASLT_MATMUL_DESC_TRANSA, &transposed[0], sizeof *transposed},
        {CUBLASLT_MATMUL_DESC_TRANSB, &transposed[1], sizeof *transposed},
        {CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue},
        {CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias},
    };
    size_t count = sizeof attributes / sizeof *attributes - (m->epilogue & MATMUL_BIAS ? 0 : 1);
    cublasStatus_t status = cublas->cublasLtMatmulDescCreate(&plan->operation, compute, CUDA_R_32F);
    for (size_t i = 0; i < count && status == CUBLAS_STATUS_SUCCESS; i++)
        status = cublas->cublasLtMatmulDescSetAttribute(plan->operation, attributes[i].name,
                                                        attributes[i].value, attributes[i].bytes);
    return status;
}

// The layout of the transpose of a matrix [rows, columns].
static cublasStatus_t create_layout(const struct cublas *cublas, cublasLtMatrixLayout_t *layout,
                                    const struct matmul_operand *operand, int64_t rows,
                                    int64_t columns) {
    return cublas->cublasLtMatrixLayoutCreate(layout, type_of(operand), (uint64_t)columns,
                                              (uint64_t)rows, columns);
}

cublasStatus_t matmul_plan_describe(const struct cublas *cublas, struct matmul_plan *plan) {
    const struct matmul *m = &plan->matmul;
    cublasLtMatrixLayout_t *const places[][3] = {
        // of x, of weights, of y
        [MATMUL_FORWARD] = {&plan->b, &plan->a, &plan->result},
        [MATMUL_INPUT] = {&plan->result, &plan->a, &plan->b},
        [MATMUL_WEIGHTS] = {&plan->a, &plan->result, &plan->b},
    };
    cublasStatus_t status = create_operation(cublas, plan);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = create_layout(cublas, places[m->kind][0], &m->x, m->rows, m->in);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = create_layout(cublas, places[m->kind][1], &m->weights, m->out, m->in);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = create_layout(cublas, places[m->kind][2], &m->y, m->rows, m->out);
    return status;
}

// ---- Algorithms ----

// The alignments of a, b and the result.
static void alignments_of(const struct matmul *m, uint32_t *alignments) {
    const struct matmul_operand *const operands[][3] = {
        [MATMUL_FORWARD] = {&m->weights, &m->x, &m->y},
        [MATMUL_INPUT] = {&m->weights, &m->y, &m->x},
        [MATMUL_WEIGHTS] = {&m->x, &m->y, &m->weights},
    };
    for (int i = 0; i < 3; i++)
        alignments[i] = (uint32_t)operands[m->kind][i]->alignment;
}

cublasStatus_t matmul_preference_create(const struct cublas *cublas, const struct matmul *m,
                                        cublasLtMatmulPreference_t *preference) {
    // The parts of a long sum may be computed apart where they are then added in an order of their
    // own, by another kernel; not where each adds to the result when it is ready.
    const uint32_t reductions =
        CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const uint64_t all = ~(uint64_t)0;
    const uint64_t numerics =
        is_strict(m) ? all & ~CUBLASLT_NUMERICAL_IMPL_FLAGS_TENSOR_OP_MASK : all;
    uint32_t alignments[3];
    alignments_of(m, alignments);
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t bytes;
    } attributes[] = {
        {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &MAX_WORKSPACE_BYTES,
         sizeof MAX_WORKSPACE_BYTES},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions},
        {CUBLASLT_MATMUL_PREF_IMPL_MASK, &numerics, sizeof numerics},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignments[0], sizeof *alignments},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &alignments[1], sizeof *alignments},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &alignments[2], sizeof *alignments},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &alignments[2], sizeof *alignments},
    };
    cublasStatus_t status = cublas->cublasLtMatmulPreferenceCreate(preference);
    for (size_t i = 0;
         i < sizeof attributes / sizeof *attributes && status == CUBLAS_STATUS_SUCCESS; i++)
        status = cublas->cublasLtMatmulPreferenceSetAttribute(
            *preference, attributes[i].name, attributes[i].value, attributes[i].bytes);
    return status;
}

// Keeps the algorithms that can run.
static void ask(const struct cublas *cublas, cublasLtHandle_t handle,
                cublasLtMatmulPreference_t preference, struct matmul_plan *plan,
                cublasStatus_t *status) {
    int count = 0;
    *status = cublas->cublasLtMatmulAlgoGetHeuristic(
        handle, plan->operation, plan->a, plan->b, plan->result, plan->result, preference,
        MATMUL_MAX_ALGORITHMS, plan->algorithms, &count);
    for (int i = 0; i < count && *status == CUBLAS_STATUS_SUCCESS; i++) {
        const cublasLtMatmulHeuristicResult_t *result = &plan->algorithms[i];
        if (result->state != CUBLAS_STATUS_SUCCESS || result->workspaceSize > MAX_WORKSPACE_BYTES)
            continue;
        plan->algorithms[plan->num_algorithms++] = *result;
    }
}

void matmul_plan_build(const struct cublas *cublas, cublasLtHandle_t handle,
                       struct matmul_plan *plan) {
    cublasLtMatmulPreference_t preference = NULL;
    cublasStatus_t status = matmul_plan_describe(cublas, plan);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = matmul_preference_create(cublas, &plan->matmul, &preference);
    if (status == CUBLAS_STATUS_SUCCESS) ask(cublas, handle, preference, plan, &status);
    if (preference) cublas->cublasLtMatmulPreferenceDestroy(preference);
    snprintf(plan->failure, sizeof plan->failure, "%s",
             status == CUBLAS_STATUS_SUCCESS ? "no algorithm computes as is asked"
                                             : cublas->cublasLtGetStatusString(status));
}

void matmul_plan_destroy(const struct cublas *cublas, struct matmul_plan *plan) {
    cublasLtMatrixLayout_t layouts[] = {plan->a, plan->b, plan->result};
    for (int i = 0; i < 3; i++)
        if (layouts[i]) cublas->cublasLtMatrixLayoutDestroy(layouts[i]);
    if (plan->operation) cublas->cublasLtMatmulDescDestroy(plan->operation);
}
