#include "nn/cuda/cost_launch.h"
#include "nn/max_pool/max_pool.h"

// What is read of x: windows that do not touch leave something out.
static double read_of(const struct max_pool_call *call) {
    double window = (double)(call->kernel * call->kernel);
    if (call->kernel < call->stride) return window * (double)tensor_count(call->call.out);
    return (double)tensor_count(call->call.inputs[0]);
}

void cost_max_pool_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct max_pool_call *call = (const struct max_pool_call *)base;
    double window = (double)(call->kernel * call->kernel);
    double count = (double)tensor_count(base->out);
    if (count > 0)
        cost_pass(sheet, "maxima", cost_numbers(sheet, read_of(call) + count), window * count);
}

void cost_max_pool_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct max_pool_call *call = (const struct max_pool_call *)base;
    const struct tensor *input = base->inputs[0];
    double x = (double)tensor_count(input);
    double y = (double)tensor_count(base->out);
    double window = (double)(call->kernel * call->kernel);
    if (input->wants_grad && x > 0)
        cost_pass(sheet, "input's gradient",
                  cost_numbers(sheet, (1 + cost_adds(input)) * x + read_of(call) + 2 * y),
                  window * window * y);
}
