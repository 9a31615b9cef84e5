#include "nn/cuda/cost_launch.h"
#include "nn/upsample_add/upsample_add.h"

void cost_upsample_add_forward(struct cost_sheet *sheet, const struct call *base) {
    double count = (double)tensor_count(base->out);
    double top = (double)tensor_count(base->inputs[1]);
    if (count > 0) cost_pass(sheet, "maps added", cost_numbers(sheet, 2 * count + top), count);
}

void cost_upsample_add_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct tensor *top = base->inputs[1];
    double count = (double)tensor_count(base->out);
    if (top->wants_grad && tensor_count(top))
        cost_pass(sheet, "coarser map's gradient",
                  cost_numbers(sheet, count + (1 + cost_adds(top)) * (double)tensor_count(top)),
                  count);
    cost_residual_gradient(sheet, base->inputs[0]);
}
