#include "nn/cuda/dnn_cost.h"
#include "nn/deconv/deconv.h"

static const char PACKING[] = "weights packed";

// Of the product.
static struct dnn_shape shape_of(const struct deconv *deconv, const struct tensor *x) {
    return (struct dnn_shape){
        .n = x->n,
        .h = x->h,
        .w = x->w,
        .in = deconv->in_channels,
        .out_h = x->h,
        .out_w = x->w,
        .out = 4 * deconv->out_channels,
        .groups = 1,
        .kernel = 1,
        .stride = 1,
        .at_once = dnn_regions_at_once(x->h * x->w),
    };
}

void cost_deconv_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct deconv_call *call = (const struct deconv_call *)base;
    const struct deconv *deconv = call->deconv;
    const struct tensor *input = base->inputs[0];
    double y = (double)tensor_count(base->out);
    struct dnn_shape shape = shape_of(deconv, input);
    if (y == 0) return;
    if (!sheet->keeps_weights) cost_dnn_pack(sheet, PACKING, deconv->weight);
    cost_dnn_forward(sheet, &shape, false, base->out->type);
    cost_pass(sheet, "result spread", cost_numbers(sheet, 2 * y), y);
}

void cost_deconv_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct deconv_call *call = (const struct deconv_call *)base;
    const struct deconv *deconv = call->deconv;
    const struct tensor *input = base->inputs[0];
    double y = (double)tensor_count(base->out);
    struct dnn_shape shape = shape_of(deconv, input);
    if (y == 0) return;
    cost_relu_gradient(sheet, base->out, call->relu);
    cost_bias_gradient(sheet, cost_numbers(sheet, 1), tensor_rows(base->out), deconv->out_channels,
                       deconv->bias);
    cost_pass(sheet, "gradient collected", cost_numbers(sheet, 2 * y), 0);
    cost_dnn_backward(sheet, &shape, PACKING, deconv->weight, input);
}
