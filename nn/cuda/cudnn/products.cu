#include "nn/cuda/cudnn/products.h"

#include "nn/cuda/columns.h"
#include "nn/cuda/rows.h"
#include "nn/cuda/stopwatch.h"

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

// Puts it on the stream; false, with err, if cuDNN refuses. has_run: see command_try.
static bool put(struct nn *nn, const struct product *product, const struct plan *plan,
                const struct product_data *data, bool has_run, struct error *err) {
    struct plans *plans = cuda_plans(nn);
    const int64_t float_bytes = (int64_t)sizeof(float);
    int64_t bytes = plan_workspace_bytes(plan);
    float *workspace = bytes ? nn_scratch(nn, (bytes + float_bytes - 1) / float_bytes) : NULL;
    bool ran = true;
    if (data->squares) cuda_zero(nn, data->squares, product->shape.out * float_bytes);
    const auto work = [plans, plan, workspace, own = *data](cudaStream_t, struct error *why) {
        return plan_run(plans, plan, &own, workspace, why) ? STATUS_OK : why->code;
    };
    if (!nn_failed(nn)) ran = command_try(nn, "a plan of cuDNN", has_run, work, err);
    nn_scratch_free(nn, workspace);
    return ran;
}

// ---- Choosing a plan ----

// A product whose engines are timed. What it adds to must stay as it is; all else that it writes
// is written again afterwards.
struct trial {
    struct nn *nn;
    const struct product *product;
    struct product_data data;
};

static double trial_seconds(void *context, const struct plan *plan) {
    const struct trial *t = (const struct trial *)context;
    struct error err;
    double seconds = stopwatch_seconds(
        t->nn, [&] { return put(t->nn, t->product, plan, &t->data, false, &err); });
    if (seconds < 0) cudaGetLastError(); // an engine that cannot be launched is none
    return seconds;
}

static enum status find_fastest(struct nn *nn, const struct product *product,
                                const struct product_data *data, double most, struct plan **plan,
                                struct error *err) {
    enum { MAX_ENGINES = 16, MAX_COMPILED = 2 };
    const struct dnn_shape *s = &product->shape;
    struct plans *plans = cuda_plans(nn);
    struct trial trial = {nn, product, *data};
    int max_engines = product->epilogue & EPILOGUE_SQUARES ? MAX_COMPILED : MAX_ENGINES;
    const struct plan_timer timer = {trial_seconds, &trial, most, max_engines};
    struct numbers sum; // in the place of what it adds to
    if (product->epilogue & EPILOGUE_ADD && !plans_know(plans, product)) {
        sum = scratch_numbers(nn, (enum number_type)product->type, s->n * s->h * s->w * s->in);
        trial.data.x = sum.data;
    }
    enum status status = plans_find_fastest(plans, product, &timer, plan, err);
    nn_scratch_free(nn, sum.data);
    return status;
}

// True if it was put on the stream, or has failed; not if there is no plan and another way. most:
// seconds that it may take, if engines are timed.
static bool run(struct nn *nn, const struct product *product, const struct product_data *data,
                double most) {
    struct plans *plans = cuda_plans(nn);
    struct plan *plan = NULL;
    struct error err;
    bool ran = false;
    while (!nn_failed(nn) && !ran) {
        enum status status = nn->tune ? find_fastest(nn, product, data, most, &plan, &err)
                                      : plans_find(plans, product, &plan, &err);
        if (status != STATUS_OK) {
            bool another = product->shape.groups > 1 || product->epilogue & EPILOGUE_SQUARES;
            if (err.code == STATUS_UNSUPPORTED && another) return false;
            nn_fail(nn, err.code, "%s", err.message);
            return true;
        }
        ran = put(nn, product, plan, data, plan_has_run(plan), &err);
        if (ran) plan_keep(plan);
        if (!ran) plan_replace(plans, plan, &err);
    }
    return true;
}

// ---- Forward ----

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

// Sums of squares by a pass of their own, if they are wanted.
static bool run_and_sum(struct nn *nn, const struct product *product,
                        const struct product_data *data, float *squares) {
    const struct dnn_shape *s = &product->shape;
    bool ran = run(nn, product, data, INFINITY);
    if (ran && squares)
        cuda_columns_reduce(nn, COLUMNS_SUM_SQUARES,
                            numbers(data->y, (enum number_type)product->type), NULL, s->n,
                            s->out_h * s->out_w, s->out, squares);
    return ran;
}

// Whether cuDNN may have a kernel that sums up, too, and that may be compiled.
static bool may_sum(const struct nn *nn) {
    return nn->tune && nn->precision != NN_FLOAT32;
}

// In one kernel, which sums up, too; false if there is none, or two take less time.
static bool run_summing(struct nn *nn, const struct product *plain,
                        const struct product_data *plain_data, float *squares) {
    struct product product = *plain;
    struct product_data data = *plain_data;
    double most = INFINITY;
    data.squares = squares;
    product.epilogue |= EPILOGUE_SQUARES;
    product.alignment = alignment_of(&data);
    if (!plans_know(cuda_plans(nn), &product))
        most = stopwatch_seconds(nn, [&] { return run_and_sum(nn, plain, plain_data, squares); });
    return run(nn, &product, &data, most < 0 ? (double)INFINITY : most);
}

bool cudnn_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                   struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y) {
    struct product_data data = {x.data, weights.data, y.data, epilogue->bias,
                                epilogue->residual.data};
    bool sums = epilogue->squares && may_sum(nn);
    int32_t steps = product_epilogue(epilogue->bias || sums, data.residual != NULL, epilogue->relu);
    struct numbers own;
    if (steps) own = own_bias(nn, x.type, epilogue->bias, shape->out);
    if (own.data) data.bias = own.data;
    struct product product = product_of(nn, PRODUCT_FORWARD, shape, x.type, steps, &data);
    bool ran = (sums && run_summing(nn, &product, &data, epilogue->squares)) ||
               run_and_sum(nn, &product, &data, epilogue->squares);
    nn_scratch_free(nn, own.data);
    return ran;
}

// ---- Backward ----

bool cudnn_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                         struct numbers weights, bool add, struct numbers dx) {
    struct product_data data = {dx.data, weights.data, dy.data, NULL, NULL};
    int32_t steps = add ? EPILOGUE_ADD : 0;
    struct product product = product_of(nn, PRODUCT_BACKWARD_DATA, shape, dy.type, steps, &data);
    return run(nn, &product, &data, INFINITY);
}

bool cudnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                            struct numbers dy, struct numbers dweights) {
    struct product_data data = {x.data, dweights.data, dy.data, NULL, NULL};
    struct product product = product_of(nn, PRODUCT_BACKWARD_WEIGHTS, shape, x.type, 0, &data);
    return run(nn, &product, &data, INFINITY);
}
