#include "nn/cuda/cublas/matmuls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "nn/cuda/cublas/plan.h"

enum { NUM_LISTS = 1024 }; // some of a model's products have a plan for each size of image

struct matmuls {
    struct cublas cublas;
    cublasLtHandle_t handle;
    struct matmul_plan *lists[NUM_LISTS]; // by the products' hashes
};

static enum status failure(const struct matmuls *matmuls, const char *what, cublasStatus_t status,
                           struct error *err) {
    return error_set(err, STATUS_DEVICE, "cuBLAS: %s: %s", what,
                     matmuls->cublas.cublasLtGetStatusString(status));
}

// ---- Opening ----

enum status matmuls_open(struct matmuls **result, struct error *err) {
    *result = NULL;
    struct matmuls *matmuls = calloc(1, sizeof *matmuls);
    if (!matmuls) return error_memory(err, "cuBLAS's plans", sizeof *matmuls);
    enum status status = cublas_open(&matmuls->cublas, err);
    if (status == STATUS_OK) {
        cublasStatus_t code = matmuls->cublas.cublasLtCreate(&matmuls->handle);
        if (code != CUBLAS_STATUS_SUCCESS) status = failure(matmuls, "a handle", code, err);
    }
    if (status == STATUS_OK)
        *result = matmuls;
    else
        free(matmuls);
    return status;
}

void matmuls_close(struct matmuls *matmuls) {
    if (!matmuls) return;
    for (int i = 0; i < NUM_LISTS; i++) {
        while (matmuls->lists[i]) {
            struct matmul_plan *plan = matmuls->lists[i];
            matmuls->lists[i] = plan->next;
            matmul_plan_destroy(&matmuls->cublas, plan);
            free(plan);
        }
    }
    matmuls->cublas.cublasLtDestroy(matmuls->handle);
    free(matmuls);
}

enum status matmuls_library_version(int64_t *version, struct error *err) {
    struct cublas cublas;
    TRY(cublas_open(&cublas, err));
    *version = (int64_t)cublas.cublasLtGetVersion();
    return STATUS_OK;
}

// ---- Finding ----

enum status matmuls_find(struct matmuls *matmuls, const struct matmul *matmul,
                         struct matmul_plan **result, struct error *err) {
    static const char *const NAMES[] = {"product", "gradient of the input",
                                        "gradient of the weights"};
    struct matmul_plan **list =
        &matmuls->lists[hash_bytes(HASH_START, matmul, sizeof *matmul) % NUM_LISTS];
    struct matmul_plan *plan = *list;
    while (plan && memcmp(&plan->matmul, matmul, sizeof *matmul) != 0)
        plan = plan->next;
    if (!plan) {
        plan = calloc(1, sizeof *plan);
        if (!plan) return error_memory(err, "a plan of cuBLAS", sizeof *plan);
        plan->matmul = *matmul;
        plan->next = *list;
        *list = plan;
        matmul_plan_build(&matmuls->cublas, matmuls->handle, plan);
    }
    *result = plan;
    if (plan->current < plan->num_algorithms) return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, "cuBLAS: no plan for a %s, [%lld, %lld] to %lld: %s",
                     NAMES[matmul->kind], (long long)matmul->rows, (long long)matmul->in,
                     (long long)matmul->out, plan->failure);
}

int64_t matmul_plan_workspace_bytes(const struct matmul_plan *plan) {
    return (int64_t)plan->algorithms[plan->current].workspaceSize;
}

// ---- Running ----

static cublasStatus_t execute(const struct matmuls *matmuls, const struct matmul_plan *plan,
                              const struct matmul_data *data, void *workspace,
                              cudaStream_t stream) {
    const struct matmul *m = &plan->matmul;
    const cublasLtMatmulHeuristicResult_t *algorithm = &plan->algorithms[plan->current];
    const float alpha = 1;
    const float beta = data->addend ? 1 : 0;
    const void *a = m->kind == MATMUL_WEIGHTS ? data->x : data->weights;
    const void *b = m->kind == MATMUL_FORWARD ? data->x : data->y;
    void *results[] = {
        [MATMUL_FORWARD] = data->y, [MATMUL_INPUT] = data->x, [MATMUL_WEIGHTS] = data->weights};
    const void *c = data->addend ? data->addend : results[m->kind];
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    if (m->epilogue & MATMUL_BIAS)
        status = matmuls->cublas.cublasLtMatmulDescSetAttribute(
            plan->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &data->bias, sizeof data->bias);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    return matmuls->cublas.cublasLtMatmul(matmuls->handle, plan->operation, &alpha, a, plan->a, b,
                                          plan->b, &beta, c, plan->result, results[m->kind],
                                          plan->result, &algorithm->algo, workspace,
                                          algorithm->workspaceSize, stream);
}

bool matmul_plan_run(struct matmuls *matmuls, struct matmul_plan *plan,
                     const struct matmul_data *data, void *workspace, void *stream,
                     struct error *err) {
    cublasStatus_t status = execute(matmuls, plan, data, workspace, (cudaStream_t)stream);
    plan->has_run = status == CUBLAS_STATUS_SUCCESS;
    if (!plan->has_run) failure(matmuls, "a plan cannot run", status, err);
    return plan->has_run;
}

bool matmul_plan_has_run(const struct matmul_plan *plan) {
    return plan->has_run;
}

void matmul_plan_replace(struct matmul_plan *plan, const struct error *why) {
    plan->current++;
    snprintf(plan->failure, sizeof plan->failure, "%s", why->message);
}
