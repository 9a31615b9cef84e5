#include "nn/cuda/cost_launch.h"

void cost_softmax_forward(struct cost_sheet *sheet, const struct call *call) {
    double count = (double)tensor_count(call->out);
    if (count > 0) cost_pass(sheet, "softmax", 2 * count, 20 * count);
}
