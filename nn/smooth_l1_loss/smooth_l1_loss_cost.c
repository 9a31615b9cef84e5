#include "nn/cuda/cost_launch.h"
#include "nn/smooth_l1_loss/smooth_l1_loss.h"

// As if each row had a weight, and none had the weight 0.
enum { VALUES_OF_ROW = 9 }; // the weight, four targets, four predictions

void cost_smooth_l1_loss_forward(struct cost_sheet *sheet, const struct call *base) {
    double rows = (double)((const struct smooth_l1_loss_call *)base)->rows;
    cost_loss(sheet, VALUES_OF_ROW * rows, 24 * rows);
}

void cost_smooth_l1_loss_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct tensor *predictions = base->inputs[0];
    double rows = (double)((const struct smooth_l1_loss_call *)base)->rows;
    double cleared = (1 - cost_adds(predictions)) * (double)tensor_count(predictions);
    if (predictions->wants_grad && rows > 0)
        cost_pass(sheet, "gradient", (VALUES_OF_ROW + 4) * rows + cleared, 24 * rows);
}
