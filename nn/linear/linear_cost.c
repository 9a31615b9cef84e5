#include "nn/cuda/dnn_cost.h"
#include "nn/linear/linear.h"

static void permute(struct cost_sheet *sheet, double weights) {
    cost_pass(sheet, "weights permuted", 2 * weights, 0);
}

void cost_linear_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct linear_call *call = (const struct linear_call *)base;
    const struct linear *linear = call->linear;
    const struct tensor *input = base->inputs[0];
    double y = (double)tensor_count(base->out);
    double weights = (double)linear->weight->count;
    struct dnn_shape shape = dnn_product(input->n, linear->in, linear->out);
    if (y == 0) return;
    permute(sheet, weights);
    cost_dnn_forward(sheet, &shape, false);
}

void cost_linear_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct linear_call *call = (const struct linear_call *)base;
    const struct linear *linear = call->linear;
    const struct tensor *input = base->inputs[0];
    double y = (double)tensor_count(base->out);
    double weights = (double)linear->weight->count;
    struct dnn_shape shape = dnn_product(input->n, linear->in, linear->out);
    if (y == 0) return;
    cost_relu_gradient(sheet, base->out, call->relu);
    cost_bias_gradient(sheet, input->n, linear->out, linear->bias);
    if (linear->weight->grad) {
        cost_dnn_backward_weights(sheet, &shape);
        cost_pass(sheet, "weights' gradient added", 3 * weights, weights);
    }
    if (!input->wants_grad) return;
    permute(sheet, weights);
    cost_dnn_backward_data(sheet, &shape, cost_adds(input) > 0);
}
