#include "nn/cuda/cublas/products.h"

extern "C" {
#include "nn/cuda/cublas/matmuls.h"
}

void cublas_describe(char *text, size_t bytes) {
    int64_t version = 0;
    struct error err;
    if (matmuls_library_version(&version, &err) == STATUS_OK)
        snprintf(text, bytes, "cuBLAS %d.%d.%d", (int)(version / 10000), (int)(version / 100 % 100),
                 (int)(version % 100));
    else
        snprintf(text, bytes, "left to the others: %s", err.message);
}

// Where it is missing the others compute, and cublas_describe says so.
enum status cublas_matmuls_open(struct matmuls **matmuls, struct error *err) {
    enum status status = matmuls_open(matmuls, err);
    return status == STATUS_DEVICE ? STATUS_OK : status;
}

void cublas_matmuls_close(struct matmuls *matmuls) {
    matmuls_close(matmuls);
}

// ---- Running a product ----

static bool is_matmul(const struct dnn_shape *s) {
    return s->h * s->w == 1 && s->out_h * s->out_w == 1 && s->kernel == 1 && s->groups == 1;
}

static int32_t alignment_of(uintptr_t address, int64_t row_bytes) {
    int32_t alignment = MATMUL_MAX_ALIGNMENT;
    while ((address | (uintptr_t)row_bytes) % (uintptr_t)alignment)
        alignment /= 2;
    return alignment;
}

// Aligned as all its rows are: where in an array a block of rows begins must not lead to another
// algorithm, which would round differently.
static struct matmul_operand operand_of(const void *address, int64_t columns) {
    return {MATMUL_FLOAT32, alignment_of((uintptr_t)address, columns * (int64_t)sizeof(float))};
}

static struct matmul matmul_of(const struct nn *nn, enum matmul_kind kind,
                               const struct dnn_shape *s, int32_t epilogue,
                               const struct matmul_data *data) {
    struct matmul matmul = {s->n,
                            s->in,
                            s->out,
                            operand_of(data->x, s->in),
                            operand_of(data->weights, s->in),
                            operand_of(data->y, s->out),
                            kind,
                            epilogue,
                            nn->precision == NN_TF32 ? MATMUL_TF32 : 0,
                            alignment_of((uintptr_t)data->bias, 0)};
    return matmul;
}

// Scratch memory with its first aligned address.
static void *workspace_in(float *scratch) {
    const uintptr_t mask = MATMUL_WORKSPACE_ALIGNMENT - 1;
    return (void *)(((uintptr_t)scratch + mask) & ~mask);
}

// True if it was put on the stream, or has failed.
static bool run(struct nn *nn, const struct matmul *matmul, const struct matmul_data *data) {
    struct matmuls *matmuls = cuda_matmuls(nn);
    struct matmul_plan *plan = NULL;
    struct error err;
    bool ran = false;
    while (!nn_failed(nn) && !ran) {
        if (matmuls_find(matmuls, matmul, &plan, &err) != STATUS_OK) {
            if (err.code == STATUS_UNSUPPORTED) return false;
            nn_fail(nn, err.code, "%s", err.message);
            return true;
        }
        int64_t bytes = matmul_plan_workspace_bytes(plan);
        float *scratch = NULL;
        if (bytes > 0)
            scratch = nn_scratch(nn, (bytes + MATMUL_WORKSPACE_ALIGNMENT) / (int64_t)sizeof(float));
        if (nn_failed(nn)) return true;
        void *workspace = scratch ? workspace_in(scratch) : NULL;
        ran = matmul_plan_run(matmuls, plan, data, workspace, cuda_stream(nn), &err);
        nn_scratch_free(nn, scratch);
    }
    return true;
}

// ---- The products ----

bool cublas_forward(struct nn *nn, const struct dnn_shape *shape, const float *x,
                    const float *weights, const struct dnn_epilogue *epilogue, float *y) {
    if (!cuda_matmuls(nn) || !is_matmul(shape)) return false;
    if (epilogue->residual.data || epilogue->squares) return false;
    struct matmul_data data = {(void *)x, (void *)weights, y, epilogue->bias, false};
    int32_t steps = (epilogue->bias ? MATMUL_BIAS : 0) + (epilogue->relu ? MATMUL_RELU : 0);
    struct matmul matmul = matmul_of(nn, MATMUL_FORWARD, shape, steps, &data);
    return run(nn, &matmul, &data);
}

bool cublas_backward_data(struct nn *nn, const struct dnn_shape *shape, const float *dy,
                          const float *weights, bool add, float *dx) {
    if (!cuda_matmuls(nn) || !is_matmul(shape)) return false;
    struct matmul_data data = {dx, (void *)weights, (void *)dy, NULL, add};
    struct matmul matmul = matmul_of(nn, MATMUL_INPUT, shape, 0, &data);
    return run(nn, &matmul, &data);
}

bool cublas_backward_weights(struct nn *nn, const struct dnn_shape *shape, const float *x,
                             const float *dy, float *dweights) {
    if (!cuda_matmuls(nn) || !is_matmul(shape)) return false;
    struct matmul_data data = {(void *)x, dweights, (void *)dy, NULL, false};
    struct matmul matmul = matmul_of(nn, MATMUL_WEIGHTS, shape, 0, &data);
    return run(nn, &matmul, &data);
}
