#include "nn/cuda/cudnn/products.h"

#include "nn/cuda/columns.h"
#include "nn/cuda/rows.h"

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
                    (uintptr_t)data->bias | (uintptr_t)data->residual | (uintptr_t)data->squares;
    int32_t alignment = PRODUCT_MAX_ALIGNMENT;
    while (all % (uintptr_t)alignment)
        alignment /= 2;
    return alignment;
}

static struct product product_of(const struct nn *nn, enum product_kind kind,
                                 const struct dnn_shape *shape, enum number_type type,
                                 int32_t epilogue, const struct product_data *data) {
    struct product product = {*shape, kind, epilogue, alignment_of(data), 0, type};
    product.shape.at_once = 0;
    if (nn->direct_convolution) product.rules |= PRODUCT_DIRECT;
    if (nn->precision == NN_TF32) product.rules |= PRODUCT_TF32;
    return product;
}

// True if it was put on the stream, or has failed; not if there is no plan and another way.
static bool run(struct nn *nn, const struct product *product, const struct product_data *data) {
    struct plans *plans = cuda_plans(nn);
    struct plan *plan = NULL;
    struct error err;
    bool ran = false;
    while (!nn_failed(nn) && !ran) {
        if (plans_find(plans, product, &plan, &err) != STATUS_OK) {
            bool another = product->shape.groups > 1 || product->epilogue & EPILOGUE_SQUARES;
            if (err.code == STATUS_UNSUPPORTED && another) return false;
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

// With the sums of squares in the same kernel; false if there is none.
static bool forward_with_squares(struct nn *nn, struct product product,
                                 const struct dnn_epilogue *epilogue, struct product_data data) {
    if (!epilogue->squares || !nn->compile) return false;
    data.squares = epilogue->squares;
    product.epilogue |= EPILOGUE_SQUARES;
    product.alignment = alignment_of(&data);
    cuda_zero(nn, epilogue->squares, product.shape.out * (int64_t)sizeof *epilogue->squares);
    return run(nn, &product, &data);
}

static bool forward(struct nn *nn, const struct product *product,
                    const struct dnn_epilogue *epilogue, const struct product_data *data) {
    const struct dnn_shape *s = &product->shape;
    if (forward_with_squares(nn, *product, epilogue, *data)) return true;
    bool ran = run(nn, product, data);
    if (ran && epilogue->squares)
        cuda_columns_reduce(nn, COLUMNS_SUM_SQUARES,
                            numbers(data->y, (enum number_type)product->type), NULL, s->n,
                            s->out_h * s->out_w, s->out, epilogue->squares);
    return ran;
}

// The bias as products read it, in scratch memory, where that is not as it is given: zeros where
// there is none, and rounded.
static struct numbers own_bias(struct nn *nn, enum number_type type, const float *bias,
                               int64_t count) {
    if (bias && type == NUMBER_FLOAT32) return numbers();
    struct numbers own = scratch_numbers(nn, type, count);
    if (bias && own.data) cuda_rows_convert(nn, bias, count, own);
    if (!bias && own.data) cuda_zero(nn, own.data, count * number_bytes(type));
    return own;
}

bool cudnn_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                   struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y) {
    struct product_data data = {x.data, weights.data, y.data, epilogue->bias,
                                epilogue->residual.data};
    bool has_bias = epilogue->bias || (epilogue->squares && nn->compile);
    int32_t steps = product_epilogue(has_bias, data.residual != NULL, epilogue->relu);
    struct numbers own;
    if (steps) own = own_bias(nn, x.type, epilogue->bias, shape->out);
    if (own.data) data.bias = own.data;
    struct product product = product_of(nn, PRODUCT_FORWARD, shape, x.type, steps, &data);
    bool ran = forward(nn, &product, epilogue, &data);
    nn_scratch_free(nn, own.data);
    return ran;
}

bool cudnn_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                         struct numbers weights, bool add, struct numbers dx) {
    struct product_data data = {dx.data, weights.data, dy.data, NULL, NULL};
    int32_t steps = add ? EPILOGUE_ADD : 0;
    struct product product = product_of(nn, PRODUCT_BACKWARD_DATA, shape, dy.type, steps, &data);
    return run(nn, &product, &data);
}

bool cudnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                            struct numbers dy, struct numbers dweights) {
    struct product_data data = {x.data, dweights.data, dy.data, NULL, NULL};
    struct product product = product_of(nn, PRODUCT_BACKWARD_WEIGHTS, shape, x.type, 0, &data);
    return run(nn, &product, &data);
}
