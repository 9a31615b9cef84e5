#include "nn/cuda/cudnn/products.h"

extern "C" {
#include "nn/cuda/cudnn/plans.h"
}

enum status cudnn_describe(char *text, size_t bytes, struct error *err) {
    int64_t version = 0;
    TRY(plans_library_version(&version, err));
    snprintf(text, bytes, "cuDNN %d.%d.%d", (int)(version / 10000), (int)(version / 100 % 100),
             (int)(version % 100));
    return STATUS_OK;
}

enum status cudnn_plans_open(struct plans **plans, int device, cudaStream_t stream,
                             struct error *err) {
    struct plans_options options = {device, NULL, stream};
    return plans_open(plans, &options, err);
}

void cudnn_plans_close(struct plans *plans) {
    plans_close(plans);
}

// ---- Running a product ----

// What all addresses are multiples of, up to what engines can make use of.
static int32_t alignment_of(const struct product_data *data) {
    uintptr_t all = (uintptr_t)data->x | (uintptr_t)data->weights | (uintptr_t)data->y |
                    (uintptr_t)data->bias | (uintptr_t)data->residual;
    int32_t alignment = PRODUCT_MAX_ALIGNMENT;
    while (all % (uintptr_t)alignment)
        alignment /= 2;
    return alignment;
}

static struct product product_of(const struct nn *nn, enum product_kind kind,
                                 const struct dnn_shape *shape, int32_t epilogue,
                                 const struct product_data *data) {
    struct product product = {*shape, kind, epilogue, alignment_of(data), 0};
    product.shape.at_once = 0;
    if (nn->direct_convolution) product.rules |= PRODUCT_DIRECT;
    if (nn->precision == NN_TF32) product.rules |= PRODUCT_TF32;
    return product;
}

// True if it was put on the stream, or has failed.
static bool run(struct nn *nn, const struct product *product, const struct product_data *data) {
    struct plans *plans = cuda_plans(nn);
    struct plan *plan = NULL;
    struct error err;
    bool ran = false;
    while (!nn_failed(nn) && !ran) {
        if (plans_find(plans, product, &plan, &err) != STATUS_OK) {
            if (err.code == STATUS_UNSUPPORTED && product->shape.groups > 1) return false;
            nn_fail(nn, err.code, "%s", err.message);
            return true;
        }
        const int64_t float_bytes = (int64_t)sizeof(float);
        int64_t bytes = plan_workspace_bytes(plan);
        float *workspace = bytes ? nn_scratch(nn, (bytes + float_bytes - 1) / float_bytes) : NULL;
        if (nn_failed(nn)) return true;
        ran = plan_run(plans, plan, data, workspace, &err);
        if (!ran) plan_replace(plans, plan, &err);
        nn_scratch_free(nn, workspace);
    }
    return true;
}

// ---- The products ----

static bool forward_with_epilogue(struct nn *nn, const struct dnn_shape *shape,
                                  const struct dnn_epilogue *epilogue, struct product_data *data) {
    bool has_residual = epilogue->residual != NULL;
    int32_t steps = product_epilogue(epilogue->bias != NULL, has_residual, epilogue->relu);
    float *zeros = epilogue->bias ? NULL : nn_scratch(nn, shape->out);
    if (zeros) cuda_zero(nn, zeros, shape->out * (int64_t)sizeof *zeros);
    data->bias = zeros ? zeros : epilogue->bias;
    data->residual = epilogue->residual;
    struct product product = product_of(nn, PRODUCT_FORWARD, shape, steps, data);
    bool ran = run(nn, &product, data);
    nn_scratch_free(nn, zeros);
    return ran;
}

bool cudnn_forward(struct nn *nn, const struct dnn_shape *shape, const float *x,
                   const float *weights, const struct dnn_epilogue *epilogue, float *y) {
    struct product_data data = {(void *)x, (void *)weights, y, NULL, NULL};
    if (epilogue->bias || epilogue->residual || epilogue->relu)
        return forward_with_epilogue(nn, shape, epilogue, &data);
    struct product product = product_of(nn, PRODUCT_FORWARD, shape, 0, &data);
    return run(nn, &product, &data);
}

bool cudnn_backward_data(struct nn *nn, const struct dnn_shape *shape, const float *dy,
                         const float *weights, bool add, float *dx) {
    struct product_data data = {dx, (void *)weights, (void *)dy, NULL, NULL};
    int32_t epilogue = add ? EPILOGUE_ADD : 0;
    struct product product = product_of(nn, PRODUCT_BACKWARD_DATA, shape, epilogue, &data);
    return run(nn, &product, &data);
}

bool cudnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, const float *x,
                            const float *dy, float *dweights) {
    struct product_data data = {(void *)x, dweights, (void *)dy, NULL, NULL};
    struct product product = product_of(nn, PRODUCT_BACKWARD_WEIGHTS, shape, 0, &data);
    return run(nn, &product, &data);
}
