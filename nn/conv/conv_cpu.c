#include "nn/conv/conv_cpu.h"

#include <string.h>

#include "base/check.h"
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
                        const float *gates, const float *src, const float *residual, float *dst) {
    struct conv *conv = call->conv;
    float *scratch = NULL;
    struct dnn_primitive *primitive = conv_prepare(nn, conv, shape, &scratch);
    if (!primitive) return;
    const struct dnn_layout *layout = dnn_weights_layout(primitive);
    float *scaled = NULL;
    const float *weights = NULL;
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

// The floats of one image.
struct sizes {
    int64_t in, out;
};

// Some images, the last of which may be missing: then they are computed in scratch memory, so that
// an image's result does not depend on how many there are.
static void run_images(struct nn *nn, struct conv_call *call, struct images images) {
    struct conv *conv = call->conv;
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    struct sizes size = {x->h * x->w * x->c, y->h * y->w * y->c};
    const float *src = x->data + images.first * size.in;
    const float *residual = call->residual ? call->residual->data + images.first * size.out : NULL;
    float *dst = y->data + images.first * size.out;
    const float *gates = call->gates ? call->gates + images.first * x->c : NULL;
    struct dnn_conv shape = conv_shape(conv, x, conv->images_at_once, DNN_FORWARD);
    shape.bias = conv->bias || conv->norm;
    shape.residual = residual != NULL;
    shape.relu = call->relu;
    bool folds = gates && conv_folds_gate(conv, x);
    bool partial = images.count < conv->images_at_once;
    float *copy = NULL;
    float *result = NULL;
    if (partial || (gates && !folds)) {
        copy = nn_scratch(nn, conv->images_at_once * size.in);
        if (!copy) return;
        if (gates && !folds)
            rows_scale_images(src, gates, images.count, x->h * x->w, x->c, copy);
        else
            memcpy(copy, src, (size_t)(images.count * size.in) * sizeof *copy);
        memset(copy + images.count * size.in, 0,
               (size_t)((conv->images_at_once - images.count) * size.in) * sizeof *copy);
        src = copy;
    }
    if (partial) {
        result = nn_scratch(nn, 2 * conv->images_at_once * size.out);
        if (!result) return;
        float *residual_copy = result + conv->images_at_once * size.out;
        memset(residual_copy, 0, (size_t)(conv->images_at_once * size.out) * sizeof *result);
        if (residual) {
            memcpy(residual_copy, residual, (size_t)(images.count * size.out) * sizeof *result);
            residual = residual_copy;
        }
    }
    run_forward(nn, call, &shape, folds ? gates : NULL, src, residual, partial ? result : dst);
    if (partial) memcpy(dst, result, (size_t)(images.count * size.out) * sizeof *dst);
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
    else
        run_direct(nn, call);
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->gates);
        call->gates = NULL;
    }
}
