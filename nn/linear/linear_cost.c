#include "nn/cuda/dnn_cost.h"
#include "nn/linear/linear.h"

static const char PACKING[] = "weights permuted";

void cost_linear_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct linear_call *call = (const struct linear_call *)base;
    const struct linear *linear = call->linear;
    const struct tensor *input = base->inputs[0];
    double y = (double)tensor_count(base->out);
    struct dnn_shape shape = dnn_product(input->n, linear->in, linear->out);
    if (y == 0) return;
    if (!sheet->keeps_weights) cost_dnn_pack(sheet, PACKING, linear->weight);
    cost_dnn_forward(sheet, &shape, false, base->out->type);
}

void cost_linear_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct linear_call *call = (const struct linear_call *)base;
    const struct linear *linear = call->linear;
    const struct tensor *input = base->inputs[0];
    double y = (double)tensor_count(base->out);
    struct dnn_shape shape = dnn_product(input->n, linear->in, linear->out);
    if (y == 0) return;
    cost_relu_gradient(sheet, base->out, call->relu);
    double array = base->out->type == NUMBER_FLOAT32 ? 1 : cost_numbers(sheet, 1);
    cost_bias_gradient(sheet, array, input->n, linear->out, linear->bias);
    cost_converted(sheet, "gradient rounded", base->out->type, y);
    cost_dnn_backward(sheet, &shape, PACKING, linear->weight, input);
}
