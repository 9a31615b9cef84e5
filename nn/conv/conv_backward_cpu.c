// The convolution's backward pass on the CPU; nn/conv/conv.h has the equations.

#include <string.h>

#include "base/check.h"
#include "nn/columns.h"
#include "nn/conv/conv_columns.h"
#include "nn/conv/conv_cpu.h"
#include "nn/conv/conv_weights.h"
#include "nn/conv/winograd.h"
#include "nn/device.h"
#include "nn/gate/gate_cpu.h"
#include "nn/rows.h"
#include "nn/vectorised.h"

// How many images of RoIs one backward computation takes. Their number changes from step to step,
// and with it the primitives that oneDNN has to compile: so the last computation is filled up with
// zeros to a multiple of a few.
enum { ROIS_AT_ONCE = 64, ROIS_MULTIPLE = 8 };

// The outputs' share in a gate's gradient is summed in as many parts, whatever the threads.
enum { DOT_PARTS = 16 };

struct backward {
    struct nn *nn;
    struct conv_call *call;
    struct conv *conv;
    struct tensor *x;
    struct tensor *y;
    int64_t in_size, out_size; // floats of one image
    bool by_winograd;
    bool folds;    // the gate was folded into the weights
    float *opened; // dLoss/dg, [n, in]; NULL without a gate
};

// Winograd's convolution cuts its images into blocks by itself.
static int64_t images_at_once(const struct backward *b) {
    return b->conv->images_at_once == 1 || b->by_winograd ? b->x->n : ROIS_AT_ONCE;
}

// How many images a computation over count of them takes.
static int64_t filled_count(const struct backward *b, int64_t count) {
    if (b->conv->images_at_once == 1 || count == 1) return count;
    return (count + ROIS_MULTIPLE - 1) / ROIS_MULTIPLE * ROIS_MULTIPLE;
}

// Images of size floats each, filled up with zeros in *copy if need be; NULL after a failure.
static const float *filled(const struct backward *b, const float *images, int64_t count,
                           int64_t size, float **copy) {
    int64_t wanted = filled_count(b, count);
    *copy = NULL;
    if (wanted == count) return images;
    *copy = nn_scratch(b->nn, wanted * size);
    if (!*copy) return NULL;
    memcpy(*copy, images, (size_t)(count * size) * sizeof **copy);
    memset(*copy + count * size, 0, (size_t)((wanted - count) * size) * sizeof **copy);
    return *copy;
}

// ---- Weights ----

// One output channel's share of accumulate.
VECTORISED static void accumulate_output(const float *weights, const float *plain,
                                         const float *gates, float scale, int64_t in, int64_t area,
                                         float *grad, float *dots) {
    for (int64_t i = 0; i < in; i++) {
        float gate = gates ? gates[i] : 1;
        float dot = 0;
        for (int64_t k = 0; k < area; k++) {
            float dw = plain[i * area + k] * scale;
            dot += weights[i * area + k] * dw;
            if (grad) grad[i * area + k] += gate * dw;
        }
        if (dots) dots[i] += dot;
    }
}

// Adds the gradient of the folded weights to that of the parameter. With gates, which then are
// those of one image, plain is dWx, and opened[c] = <W[., c], dWx[., c]>.
static void accumulate(const struct backward *b, const float *plain, const float *gates,
                       float *opened) {
    const struct conv *conv = b->conv;
    const float *scales = conv_output_scales(b->nn, b->conv);
    int64_t in = conv->in_channels / conv->groups;
    int64_t out = conv->out_channels / conv->groups;
    int64_t area = conv->kernel * conv->kernel;
    float *dots = opened ? nn_scratch(b->nn, DOT_PARTS * conv->in_channels) : NULL;
    if (nn_failed(b->nn)) return;
    if (dots) memset(dots, 0, (size_t)(DOT_PARTS * conv->in_channels) * sizeof *dots);
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < DOT_PARTS; part++) {
        int64_t end = conv->out_channels * (part + 1) / DOT_PARTS;
        for (int64_t o = conv->out_channels * part / DOT_PARTS; o < end; o++) {
            int64_t channel = o / out * in;
            int64_t at = o * in * area;
            accumulate_output(conv->weight->data + at, plain + at, gates ? gates + channel : NULL,
                              scales ? scales[o] : 1, in, area,
                              conv->weight->grad ? conv->weight->grad + at : NULL,
                              dots ? dots + part * conv->in_channels + channel : NULL);
        }
    }
    for (int64_t channel = 0; opened && channel < conv->in_channels; channel++) {
        double total = 0;
        for (int64_t part = 0; part < DOT_PARTS; part++)
            total += (double)dots[part * conv->in_channels + channel];
        opened[channel] = (float)total;
    }
    nn_scratch_free(b->nn, dots);
}

// The gradients of the folded weights, [out, in / groups, k, k], from some images whose input is
// src.
static void weights_directly(const struct backward *b, struct images images, const float *src,
                             float *plain) {
    struct dnn_conv shape =
        conv_shape(b->conv, b->x, filled_count(b, images.count), DNN_BACKWARD_WEIGHTS);
    float *copies[2];
    src = filled(b, src, images.count, b->in_size, &copies[0]);
    const float *diff_dst =
        filled(b, b->y->grad + images.first * b->out_size, images.count, b->out_size, &copies[1]);
    float *scratch = NULL;
    struct dnn_primitive *primitive = conv_prepare(b->nn, b->conv, &shape, &scratch);
    if (!primitive) return;
    const struct dnn_layout *layout = dnn_weights_layout(primitive);
    float *packed = nn_scratch(b->nn, dnn_layout_floats(layout));
    struct dnn_arguments arguments = {
        .src = src,
        .diff_dst = diff_dst,
        .dst = packed,
    };
    conv_run(b->nn, b->conv, primitive, arguments, scratch);
    struct error err;
    if (!nn_failed(b->nn) && dnn_unpack(b->nn->onednn, layout, packed, plain, &err) != STATUS_OK)
        nn_fail(b->nn, err.code, "%s: %s", b->conv->label, err.message);
    nn_scratch_free(b->nn, packed);
    nn_scratch_free(b->nn, copies[1]);
    nn_scratch_free(b->nn, copies[0]);
}

// The same, with gates multiplied into the input (NULL: none).
static void weights_of_images(const struct backward *b, struct images images, const float *gates,
                              float *plain) {
    const struct tensor *x = b->x;
    const float *src = x->data + images.first * b->in_size;
    const struct conv_gradient gradient = {
        .conv = b->conv,
        .count = images.count,
        .height = x->h,
        .width = x->w,
        .src = src,
        .gates = gates,
        .diff_dst = b->y->grad + images.first * b->out_size,
    };
    if (b->by_winograd) {
        winograd_weights_gradient(b->nn, &gradient, plain);
        return;
    }
    if (conv_columns_apply(b->conv)) {
        conv_columns_gradient(b->nn, &gradient, plain);
        return;
    }
    float *scaled = NULL;
    if (gates) {
        scaled = nn_scratch(b->nn, images.count * b->in_size);
        if (!scaled) return;
        rows_scale_images(src, gates, images.count, x->h * x->w, x->c, scaled);
    }
    weights_directly(b, images, scaled ? scaled : src, plain);
    nn_scratch_free(b->nn, scaled);
}

static void weights_backward(const struct backward *b) {
    const float *gates = b->call->gates;
    bool folds = gates && b->folds;
    if (!b->conv->weight->grad && !folds) return;
    int64_t step = folds ? 1 : images_at_once(b);
    float *plain = nn_scratch(b->nn, b->conv->weight->count);
    for (int64_t first = 0; first < b->x->n && !nn_failed(b->nn); first += step) {
        int64_t left = b->x->n - first;
        struct images images = {first, left < step ? left : step};
        int64_t channel = first * b->x->c;
        weights_of_images(b, images, gates && !folds ? gates + channel : NULL, plain);
        if (!nn_failed(b->nn))
            accumulate(b, plain, folds ? gates + channel : NULL,
                       folds ? b->opened + channel : NULL);
    }
    nn_scratch_free(b->nn, plain);
}

// ---- Input ----

// dst = (add ? dst : 0) + the gradient of the convolution's own input, for some images.
static void data_of_images(const struct backward *b, struct images images, bool add, float *dst) {
    const struct conv *conv = b->conv;
    if (b->by_winograd) {
        const struct winograd w = {
            .conv = b->conv,
            .turned = true,
            .count = images.count,
            .height = b->y->h,
            .width = b->y->w,
            .src = b->y->grad + images.first * b->out_size,
            .accumulate = add,
            .dst = dst,
        };
        winograd_run(b->nn, &w);
        return;
    }
    bool turned = conv->stride == 1 && conv->groups == 1 && conv->padding < conv->kernel;
    int64_t filled_images = filled_count(b, images.count);
    bool directly = filled_images == images.count && (turned || !add);
    struct dnn_conv shape = conv_shape(conv, b->x, filled_images, DNN_BACKWARD_DATA);
    if (turned) {
        shape.pass = DNN_FORWARD;
        shape.h = b->y->h;
        shape.w = b->y->w;
        shape.in_channels = conv->out_channels;
        shape.out_channels = conv->in_channels;
        shape.padding = conv->kernel - 1 - conv->padding;
        shape.accumulate = add && directly;
    }
    float *copy = NULL;
    const float *src =
        filled(b, b->y->grad + images.first * b->out_size, images.count, b->out_size, &copy);
    float *separate = directly ? NULL : nn_scratch(b->nn, filled_images * b->in_size);
    float *scratch = NULL;
    struct dnn_primitive *primitive = conv_prepare(b->nn, conv, &shape, &scratch);
    if (!primitive) return;
    struct dnn_arguments arguments = {
        .src = src,
        .weights = conv_packed(b->nn, b->conv, dnn_weights_layout(primitive),
                               turned ? CONV_WEIGHTS_TURNED : CONV_WEIGHTS_DIRECT),
        .dst = separate ? separate : dst,
    };
    conv_run(b->nn, conv, primitive, arguments, scratch);
    int64_t count = images.count * b->in_size;
    if (separate && !nn_failed(b->nn)) {
        if (add)
            rows_add(separate, count, dst);
        else
            memcpy(dst, separate, (size_t)count * sizeof *dst);
    }
    nn_scratch_free(b->nn, separate);
    nn_scratch_free(b->nn, copy);
}

static void data_backward(const struct backward *b, bool add, float *dst) {
    int64_t step = images_at_once(b);
    for (int64_t first = 0; first < b->x->n && !nn_failed(b->nn); first += step) {
        int64_t left = b->x->n - first;
        data_of_images(b, (struct images){first, left < step ? left : step}, add,
                       dst + first * b->in_size);
    }
}

// With a gate: through the convolution, then through the gate.
static void gated_data_backward(const struct backward *b) {
    struct nn *nn = b->nn;
    const struct gate *gate = b->conv->gate;
    const struct tensor *x = b->x;
    int64_t rows = x->h * x->w;
    bool add = false;
    float *grad = nn_grad(nn, b->x, &add);
    if (!grad && b->folds) {
        // dg is known already, and nobody asks for dx.
        float *unused = nn_scratch(nn, x->n * x->c);
        if (unused) gate_gradient(nn, gate, x->embedding, b->opened, x->n, unused);
        nn_scratch_free(nn, unused);
        return;
    }
    float *pull = nn_scratch(nn, x->n * x->c);
    float *separate = add || !grad ? nn_scratch(nn, tensor_count(x)) : NULL;
    float *scaled = separate ? separate : grad;
    if (nn_failed(nn)) return;
    data_backward(b, false, scaled);
    if (!b->folds) columns_reduce(nn, COLUMNS_DOT, scaled, x->data, x->n, rows, x->c, b->opened);
    gate_gradient(nn, gate, x->embedding, b->opened, x->n, pull);
    const struct gate_flow flow = {gate,         x->data, scaled, b->call->gates,
                                   x->embedding, pull,    x->n,   rows};
    if (grad && !nn_failed(nn)) gate_pull(&flow, add, grad);
    nn_scratch_free(nn, separate);
    nn_scratch_free(nn, pull);
}

void cpu_conv_backward(struct nn *nn, struct call *base) {
    struct conv_call *call = (struct conv_call *)base;
    struct tensor *x = base->inputs[0];
    struct tensor *y = base->out;
    struct backward b = {
        .nn = nn,
        .call = call,
        .conv = call->conv,
        .x = x,
        .y = y,
        .in_size = x->h * x->w * x->c,
        .out_size = y->h * y->w * y->c,
        .by_winograd = winograd_applies(nn, call->conv, y->h, y->w),
    };
    rows_relu_gradient(y, call->relu);
    rows_bias_gradient(nn, y, call->conv->bias);
    if (call->gates) {
        b.folds = conv_folds_gate(call->conv, x);
        b.opened = nn_scratch(nn, x->n * x->c);
    }
    if (nn_failed(nn)) return;
    weights_backward(&b);
    if (call->gates && (x->wants_grad || gate_trains(call->conv->gate))) {
        gated_data_backward(&b);
    } else {
        bool add = false;
        float *grad = nn_grad(nn, x, &add);
        if (grad) data_backward(&b, add, grad);
    }
    conv_release_packed(nn, call->conv);
    nn_scratch_free(nn, b.opened);
    nn_scratch_free(nn, call->gates);
    call->gates = NULL;
    rows_residual_gradient(nn, y, call->residual);
}
