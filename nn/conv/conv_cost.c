#include "nn/conv/conv.h"
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
    if (!kept) cost_norm_factors(sheet, conv->norm, conv->out_channels);
    cost_converted(sheet, "input rounded", x->type, (double)tensor_count(x));
    if (conv->gate && !folds) scale(sheet, x);
    for (int64_t i = 0; i < packed; i++) {
        if (i > 0 || (kept && folds))
            pack_gated(sheet, conv);
        else if (!kept)
            pack(sheet, conv);
        cost_dnn_forward(sheet, &shape, call->residual != NULL, base->out->type);
    }
    if (!conv_sums_squares(conv)) return;
    cost_first_measure(sheet, base->out);
    for (int64_t i = 0; i < x->n; i++)
        cost_dnn_squares(sheet, &shape);
}

// ---- Backward ----

static void accumulate(struct cost_sheet *sheet, const struct conv *conv) {
    double weights = (double)conv->weight->count;
    if (conv->weight->grad) cost_pass(sheet, "weights' gradient added", 3 * weights, 2 * weights);
}

// From each image's gradient of the weights, its gates'.
static void folded_weights(struct cost_sheet *sheet, const struct conv_call *call) {
    const struct conv *conv = call->conv;
    struct dnn_shape one = shape_of(call, 1);
    int64_t channels = conv->in_channels / conv->groups;
    const struct cost_columns dots = {1 + cost_numbers(sheet, 1), conv->groups,
                                      conv->weight->count / conv->groups / channels, channels};
    for (int64_t i = 0; i < call->call.inputs[0]->n; i++) {
        cost_dnn_backward_weights(sheet, &one);
        cost_gate_columns_reduce(sheet, "gates' gradient from weights", &dots);
        accumulate(sheet, conv);
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
    cost_gates_gradient(sheet, call->conv->gate, x->n);
    cost_gates_defer(sheet, x);
}

static void gated_data_backward(struct cost_sheet *sheet, const struct conv_call *call,
                                bool folds) {
    const struct tensor *x = call->call.inputs[0];
    const struct cost_columns dots = {cost_numbers(sheet, 2), x->n, x->h * x->w, x->c};
    struct dnn_shape shape = shape_of(call, x->n);
    if (x->wants_grad || !folds) cost_dnn_backward_data(sheet, &shape, false);
    if (!folds) cost_gate_columns_reduce(sheet, "gates' gradient from maps", &dots);
    cost_gates_gradient(sheet, call->conv->gate, x->n);
    if (x->wants_grad) cost_gates_pull(sheet, call->conv->gate, x);
}

void cost_conv_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct conv_call *call = (const struct conv_call *)base;
    const struct conv *conv = call->conv;
    const struct tensor *x = base->inputs[0];
    const struct tensor *y = base->out;
    bool folds = conv->gate && conv_folds_gate(conv, x);
    struct dnn_shape shape = shape_of(call, x->n);
    if (tensor_count(y) == 0) return;
    cost_relu_gradient(sheet, y, call->relu);
    double array = y->type == NUMBER_FLOAT32 ? 1 : cost_numbers(sheet, 1);
    cost_bias_gradient(sheet, array, tensor_rows(y), y->c, conv->bias);
    cost_norm_factors(sheet, conv->norm, conv->out_channels);
    cost_converted(sheet, "input rounded", x->type, (double)tensor_count(x));
    cost_converted(sheet, "gradient rounded", y->type, (double)tensor_count(y));
    pack(sheet, conv);
    weights_backward(sheet, call, folds);
    if (folds && x->wants_grad && gate_defers(conv->gate, x))
        deferred_data_backward(sheet, call);
    else if (conv->gate && (x->wants_grad || gate_trains(conv->gate)))
        gated_data_backward(sheet, call, folds);
    else if (x->wants_grad)
        cost_dnn_backward_data(sheet, &shape, cost_adds(x) > 0);
    cost_residual_gradient(sheet, call->residual);
}
