#include "nn/cuda/cost_launch.h"

void cost_softmax_loss_forward(struct cost_sheet *sheet, const struct call *call) {
    const struct tensor *logits = call->inputs[0];
    double count = (double)tensor_count(logits);
    cost_loss(sheet, count + (double)tensor_rows(logits), 20 * count);
}

void cost_softmax_loss_backward(struct cost_sheet *sheet, const struct call *call) {
    const struct tensor *logits = call->inputs[0];
    double count = (double)tensor_count(logits);
    if (logits->wants_grad && count > 0)
        cost_pass(sheet, "gradient", (2 + cost_adds(logits)) * count + (double)tensor_rows(logits),
                  30 * count);
}
