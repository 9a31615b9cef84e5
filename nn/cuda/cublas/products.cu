#include "nn/cuda/cublas/products.h"

#include "nn/cuda/rows.h"

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

static int32_t alignment_of(uintptr_t address, int64_t row_bytes) {
    int32_t alignment = MATMUL_MAX_ALIGNMENT;
    while ((address | (uintptr_t)row_bytes) % (uintptr_t)alignment)
        alignment /= 2;
    return alignment;
}

// Aligned as all its rows are: where in an array a block of rows begins must not lead to another
// algorithm, which would round differently.
static struct matmul_operand operand_of(struct numbers matrix, int64_t columns) {
    static const int32_t TYPES[NUM_NUMBER_TYPES] = {MATMUL_FLOAT32, MATMUL_BF16, MATMUL_FP16};
    return {TYPES[matrix.type],
            alignment_of((uintptr_t)matrix.data, columns * number_bytes(matrix.type))};
}

static struct matmul matmul_of(const struct nn *nn, enum matmul_kind kind,
                               const struct dnn_shape *s, struct numbers x, struct numbers weights,
                               struct numbers y) {
    struct matmul matmul = {s->n * s->h * s->w,
                            s->in,
                            s->out,
                            operand_of(x, s->in),
                            operand_of(weights, s->in),
                            operand_of(y, s->out),
                            kind,
                            0,
                            nn->precision == NN_TF32 ? MATMUL_TF32 : 0,
                            MATMUL_MAX_ALIGNMENT};
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
        const auto work = [matmuls, plan, workspace, own = *data](cudaStream_t stream,
                                                                  struct error *why) {
            return matmul_plan_run(matmuls, plan, &own, workspace, stream, why) ? STATUS_OK
                                                                                : why->code;
        };
        ran = command_try(nn, "a plan of cuBLAS", matmul_plan_has_run(plan), work, &err);
        if (!ran) matmul_plan_replace(plan, &err);
        nn_scratch_free(nn, scratch);
    }
    return true;
}

// ---- The products ----

// What is added to the result, and follows it. bias: of the result's type.
static void add_epilogue(struct matmul *matmul, const struct dnn_epilogue *epilogue,
                         struct numbers bias) {
    int32_t alignment = operand_of(epilogue->residual, matmul->out).alignment;
    if (alignment < matmul->y.alignment) matmul->y.alignment = alignment;
    matmul->bias_alignment = alignment_of((uintptr_t)bias.data, 0);
    matmul->epilogue = (bias.data ? MATMUL_BIAS : 0) + (epilogue->relu ? MATMUL_RELU : 0);
}

bool cublas_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                    struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y) {
    if (epilogue->squares) return false;
    void *copy = NULL;
    struct numbers bias = cuda_rows_as(nn, y.type, epilogue->bias, shape->out, &copy);
    struct matmul_data data = {x.data, weights.data, y.data, bias.data, epilogue->residual.data};
    struct matmul matmul = matmul_of(nn, MATMUL_FORWARD, shape, x, weights, y);
    add_epilogue(&matmul, epilogue, bias);
    bool ran = run(nn, &matmul, &data);
    nn_scratch_free(nn, copy);
    return ran;
}

bool cublas_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                          struct numbers weights, bool add, struct numbers dx) {
    struct matmul_data data = {dx.data, weights.data, dy.data, NULL, add ? dx.data : NULL};
    struct matmul matmul = matmul_of(nn, MATMUL_INPUT, shape, dx, weights, dy);
    return run(nn, &matmul, &data);
}

bool cublas_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                             struct numbers dy, bool add, float *dweights) {
    struct matmul_data data = {x.data, dweights, dy.data, NULL, add ? dweights : NULL};
    struct matmul matmul = matmul_of(nn, MATMUL_WEIGHTS, shape, x, dweights, dy);
    return run(nn, &matmul, &data);
}
