#include "nn/conv/conv.h"
#include "nn/conv/conv_cuts.h"
#include "nn/conv/conv_folds.h"
#include "nn/cuda/dnn_cost.h"
#include "nn/gate/gate_cost.h"
#include "nn/gate/gate_defers.h"

static struct dnn_shape shape_of(const struct conv_call *call, int64_t images) {
    const struct conv *conv = call->conv;
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    int64_t at_once = conv->images_at_once > 1 ? dnn_regions_at_once(y->h * y->w) : 1;
    return (struct dnn_shape){images,       x->h,         x->w,          x->c,
                              y->h,         y->w,         y->c,          conv->groups,
                              conv->kernel, conv->stride, conv->padding, at_once};
}

static void pack(struct cost_sheet *sheet, const struct conv *conv) {
    double weights = (double)conv->weight->count;
    cost_pass(sheet, "weights packed", weights + cost_numbers(sheet, weights), 2 * weights);
}

// Once more, for the gates of an image.
static void pack_gated(struct cost_sheet *sheet, const struct conv *conv) {
    double weights = (double)conv->weight->count;
    cost_gate_pass(sheet, "weights packed with gates", weights + cost_numbers(sheet, weights),
                   2 * weights);
}

// All of x multiplied with its gates.
static void scale(struct cost_sheet *sheet, const struct tensor *x) {
    double count = (double)tensor_count(x);
    cost_gate_pass(sheet, "map scaled", cost_numbers(sheet, 2 * count), count);
}

// ---- Forward ----

void cost_conv_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct conv_call *call = (const struct conv_call *)base;
    const struct conv *conv = call->conv;
    const struct tensor *x = base->inputs[0];
    bool folds = conv->gate && conv_folds_gate(conv, x);
    bool kept = sheet->keeps_weights;
    int64_t packed = folds ? x->n : 1; // each with its images
    struct dnn_shape shape = shape_of(call, x->n / packed);
    if (tensor_count(base->out) == 0) return;
    if (conv->gate) cost_gates(sheet, conv->gate, x);
    cost_converted(sheet, "input rounded", x->type, (double)tensor_count(x));
    if (conv->gate && !folds) scale(sheet, x);
    for (int64_t i = 0; i < packed; i++) {
        if (i > 0 || (kept && folds))
            pack_gated(sheet, conv);
        else if (!kept)
            pack(sheet, conv);
        cost_dnn_forward(sheet, &shape, call->residual != NULL, base->out->type);
    }
    if (!conv_sums_squares(conv) || !cost_dnn_sums_squares(sheet)) return;
    cost_first_measure(sheet, base->out);
    for (int64_t i = 0; i < x->n; i++)
        cost_dnn_squares(sheet, &shape);
}

// ---- Backward ----

static void accumulate(struct cost_sheet *sheet, const struct conv *conv) {
    double weights = (double)conv->weight->count;
    if (conv->weight->grad) cost_pass(sheet, "weights' gradient added", 3 * weights, 2 * weights);
}

// The weights' gradient added, and from the same arrays that of the gates, which the last block
// closes.
static void unpack_gated(struct cost_sheet *sheet, const struct conv *conv, bool adds_pull) {
    double weights = (double)conv->weight->count;
    double parts = (double)(conv_cuts_of(conv).pieces * conv->in_channels);
    double in = (double)conv->in_channels;
    double values = (conv->weight->grad ? 4 : 2) * weights + 2 * parts + 2 * in;
    cost_gate_pass(sheet, "weights' gradient added, gates closed",
                   values + cost_gates_closed(conv->gate, 1, adds_pull), 5 * weights + 70 * in);
}

static void folded_weights(struct cost_sheet *sheet, const struct conv_call *call) {
    const struct conv *conv = call->conv;
    const struct tensor *x = call->call.inputs[0];
    struct dnn_shape one = shape_of(call, 1);
    bool defers = x->wants_grad && gate_defers(conv->gate, x);
    bool adds_pull = defers && !cost_first_deferral(sheet, x);
    for (int64_t i = 0; i < x->n; i++) {
        cost_dnn_backward_weights(sheet, &one);
        unpack_gated(sheet, conv, adds_pull);
    }
}

static void weights_backward(struct cost_sheet *sheet, const struct conv_call *call, bool folds) {
    const struct tensor *x = call->call.inputs[0];
    if (folds) {
        folded_weights(sheet, call);
        return;
    }
    if (!call->conv->weight->grad) return;
    struct dnn_shape all = shape_of(call, x->n);
    if (call->conv->gate) scale(sheet, x);
    cost_dnn_backward_weights(sheet, &all);
    accumulate(sheet, call->conv);
}

static void deferred_data_backward(struct cost_sheet *sheet, const struct conv_call *call) {
    const struct tensor *x = call->call.inputs[0];
    struct dnn_shape one = shape_of(call, 1);
    for (int64_t i = 0; i < x->n; i++) {
        pack_gated(sheet, call->conv);
        cost_dnn_backward_data(sheet, &one, cost_adds(x) > 0);
    }
}

static void plain_data_backward(struct cost_sheet *sheet, const struct conv_call *call, bool adds) {
    struct dnn_shape shape = shape_of(call, call->call.inputs[0]->n);
    pack(sheet, call->conv);
    cost_dnn_backward_data(sheet, &shape, adds);
}

static void gated_data_backward(struct cost_sheet *sheet, const struct conv_call *call,
                                bool folds) {
    const struct tensor *x = call->call.inputs[0];
    if (x->wants_grad || !folds) plain_data_backward(sheet, call, false);
    if (!folds) cost_gates_close(sheet, call->conv->gate, x);
    if (x->wants_grad) cost_gates_pull(sheet, call->conv->gate, x);
}

void cost_conv_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct conv_call *call = (const struct conv_call *)base;
    const struct conv *conv = call->conv;
    const struct tensor *x = base->inputs[0];
    const struct tensor *y = base->out;
    bool folds = conv->gate && conv_folds_gate(conv, x);
    if (tensor_count(y) == 0) return;
    cost_relu_gradient(sheet, y, call->relu);
    double array = y->type == NUMBER_FLOAT32 ? 1 : cost_numbers(sheet, 1);
    cost_bias_gradient(sheet, array, tensor_rows(y), y->c, conv->bias);
    cost_converted(sheet, "input rounded", x->type, (double)tensor_count(x));
    cost_converted(sheet, "gradient rounded", y->type, (double)tensor_count(y));
    weights_backward(sheet, call, folds);
    if (folds && x->wants_grad && gate_defers(conv->gate, x))
        deferred_data_backward(sheet, call);
    else if (conv->gate && (x->wants_grad || gate_trains(conv->gate)))
        gated_data_backward(sheet, call, folds);
    else if (x->wants_grad)
        plain_data_backward(sheet, call, cost_adds(x) > 0);
    cost_residual_gradient(sheet, call->residual);
}
