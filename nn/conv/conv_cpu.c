#include "nn/conv/conv_cpu.h"

#include <string.h>

#include "base/check.h"
#include "nn/bf16.h"
#include "nn/conv/conv_product.h"
#include "nn/conv/conv_weights.h"
#include "nn/conv/winograd.h"
#include "nn/device.h"
#include "nn/gate/gate_cpu.h"
#include "nn/rows.h"

bool conv_folds_gate(const struct conv *conv, const struct tensor *x) {
    return conv->images_at_once == 1 && conv->weight->count < x->h * x->w * x->c;
}

struct dnn_conv conv_shape(const struct conv *conv, const struct tensor *x, int64_t count,
                           enum dnn_pass pass) {
    return (struct dnn_conv){
        .pass = pass,
        .n = count,
        .h = x->h,
        .w = x->w,
        .in_channels = conv->in_channels,
        .out_channels = conv->out_channels,
        .groups = conv->groups,
        .kernel = conv->kernel,
        .stride = conv->stride,
        .padding = conv->padding,
    };
}

struct dnn_primitive *conv_prepare(struct nn *nn, const struct conv *conv,
                                   const struct dnn_conv *shape, float **scratch) {
    struct dnn_primitive *primitive = NULL;
    struct error err;
    *scratch = NULL;
    if (nn_failed(nn)) return NULL;
    if (dnn_conv(nn->onednn, shape, &primitive, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s: %s", conv->label, err.message);
        return NULL;
    }
    *scratch = nn_scratch(nn, dnn_scratch_floats(primitive));
    return *scratch ? primitive : NULL;
}

void conv_run(struct nn *nn, const struct conv *conv, struct dnn_primitive *primitive,
              struct dnn_arguments arguments, float *scratch) {
    arguments.scratch = scratch;
    struct error err;
    if (!nn_failed(nn) && dnn_run(nn->onednn, primitive, &arguments, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", conv->label, err.message);
    nn_scratch_free(nn, scratch);
}

// ---- Forward ----

// One computation over images, all of whose data is in place.
static void run_forward(struct nn *nn, struct conv_call *call, const struct dnn_conv *shape,
                        const float *gates, const void *src, const float *residual, float *dst) {
    struct conv *conv = call->conv;
    float *scratch = NULL;
    struct dnn_primitive *primitive = conv_prepare(nn, conv, shape, &scratch);
    if (!primitive) return;
    const struct dnn_layout *layout = dnn_weights_layout(primitive);
    float *scaled = NULL;
    const void *weights = NULL;
    if (gates) {
        scaled = nn_scratch(nn, dnn_layout_floats(layout));
        if (scaled) conv_pack_scaled(nn, conv, layout, gates, scaled);
        weights = scaled;
    } else {
        weights = conv_packed(nn, conv, layout, CONV_WEIGHTS_DIRECT);
    }
    struct dnn_arguments arguments = {
        .src = src,
        .weights = weights,
        .bias = conv_folded_bias(nn, conv),
        .residual = residual,
        .dst = dst,
    };
    conv_run(nn, conv, primitive, arguments, scratch);
    nn_scratch_free(nn, scaled);
}

// Whether a gate is multiplied into the weights: never into those of bf16, since activations are
// rounded anyway and can be multiplied then.
static bool folds_gate(const struct nn *nn, const struct conv *conv, const struct tensor *x) {
    return nn->precision == NN_FLOAT32 && conv_folds_gate(conv, x);
}

static void round_images(const struct tensor *x, const float *src, const float *gates,
                         int64_t count, uint16_t *rounded) {
    int64_t rows = x->h * x->w;
    if (!gates) bf16_of_many_rows(src, NULL, count * rows, x->c, rounded);
    for (int64_t i = 0; gates && i < count; i++)
        bf16_of_many_rows(src + i * rows * x->c, gates + i * x->c, rows, x->c,
                          rounded + i * rows * x->c);
}

// Images as a primitive reads them: with the gates multiplied in (NULL: none), in the context's
// precision, and zeros for those that are missing. In scratch memory, which *copy then is, unless
// they are so where they are; NULL after a failure.
static const void *operand(struct nn *nn, const struct conv_call *call, struct images images,
                           const float *gates, void **copy) {
    const struct tensor *x = call->call.inputs[0];
    int64_t size = x->h * x->w * x->c;
    int64_t used = images.count * size;
    int64_t all = call->conv->images_at_once * size;
    const float *src = x->data + images.first * size;
    *copy = NULL;
    if (nn->precision == NN_BF16) {
        uint16_t *rounded = bf16_scratch(nn, all);
        *copy = rounded;
        if (!rounded) return NULL;
        round_images(x, src, gates, images.count, rounded);
        memset(rounded + used, 0, (size_t)(all - used) * sizeof *rounded);
    } else if (gates || used < all) {
        float *floats = nn_scratch(nn, all);
        *copy = floats;
        if (!floats) return NULL;
        if (gates)
            rows_scale_images(src, gates, images.count, x->h * x->w, x->c, floats);
        else
            memcpy(floats, src, (size_t)used * sizeof *floats);
        memset(floats + used, 0, (size_t)(all - used) * sizeof *floats);
    }
    return *copy ? *copy : src;
}

// Some images, the last of which may be missing: then they are computed in scratch memory, so that
// an image's result does not depend on how many there are.
static void run_images(struct nn *nn, struct conv_call *call, struct images images) {
    struct conv *conv = call->conv;
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    int64_t size = y->h * y->w * y->c;
    int64_t used = images.count * size;
    int64_t all = conv->images_at_once * size;
    const float *residual = call->residual ? call->residual->data + images.first * size : NULL;
    float *dst = y->data + images.first * size;
    const float *gates = call->gates ? call->gates + images.first * x->c : NULL;
    struct dnn_conv shape = conv_shape(conv, x, conv->images_at_once, DNN_FORWARD);
    shape.bias = conv->bias || conv->norm;
    shape.residual = residual != NULL;
    shape.relu = call->relu;
    shape.bf16 = nn->precision == NN_BF16;
    bool folds = gates && folds_gate(nn, conv, x);
    bool partial = used < all;
    void *copy = NULL;
    float *result = NULL;
    const void *src = operand(nn, call, images, folds ? NULL : gates, &copy);
    if (!src) return;
    if (partial) {
        result = nn_scratch(nn, 2 * all);
        if (!result) return;
        float *residual_copy = result + all;
        memset(residual_copy, 0, (size_t)all * sizeof *result);
        if (residual) {
            memcpy(residual_copy, residual, (size_t)used * sizeof *result);
            residual = residual_copy;
        }
    }
    run_forward(nn, call, &shape, folds ? gates : NULL, src, residual, partial ? result : dst);
    if (partial) memcpy(dst, result, (size_t)used * sizeof *dst);
    nn_scratch_free(nn, result);
    nn_scratch_free(nn, copy);
}

static void run_direct(struct nn *nn, struct conv_call *call) {
    int64_t step = call->conv->images_at_once;
    int64_t n = call->call.out->n;
    for (int64_t first = 0; first < n && !nn_failed(nn); first += step) {
        int64_t left = n - first;
        run_images(nn, call, (struct images){first, left < step ? left : step});
    }
}

static void run_winograd(struct nn *nn, struct conv_call *call) {
    const struct tensor *y = call->call.out;
    const struct winograd w = {
        .conv = call->conv,
        .count = y->n,
        .height = y->h,
        .width = y->w,
        .src = call->call.inputs[0]->data,
        .gates = call->gates,
        .bias = conv_folded_bias(nn, call->conv),
        .residual = call->residual ? call->residual->data : NULL,
        .relu = call->relu,
        .dst = y->data,
    };
    winograd_run(nn, &w);
}

void cpu_conv_forward(struct nn *nn, struct call *base) {
    struct conv_call *call = (struct conv_call *)base;
    struct conv *conv = call->conv;
    struct tensor *x = base->inputs[0];
    if (conv->gate) {
        gate_embed(nn, conv->gate, x);
        call->gates = nn_scratch(nn, x->n * x->c);
        if (nn_failed(nn)) return;
        gate_compute(conv->gate, x->embedding, x->n, call->gates);
    }
    if (winograd_applies(nn, conv, base->out->h, base->out->w))
        run_winograd(nn, call);
    else if (conv_product_applies(nn, conv))
        conv_product_run(nn, call);
    else
        run_direct(nn, call);
    conv_release_packed(nn, conv);
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->gates);
        call->gates = NULL;
    }
}
