#include "nn/class_logits/class_logits.h"
#include "nn/cuda/cost_launch.h"

void cost_class_logits_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct class_logits_call *call = (const struct class_logits_call *)base;
    double x = (double)tensor_count(base->inputs[0]);
    double out = (double)tensor_count(base->out);
    if (x > 0)
        cost_pass(sheet, "dot products",
                  cost_numbers(sheet, x) + out + (double)call->conv->weight->count, 2 * x);
}
