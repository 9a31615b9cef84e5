#include "nn/cuda/cost_launch.h"

void cost_sigmoid_forward(struct cost_sheet *sheet, const struct call *call) {
    double count = (double)tensor_count(call->out);
    if (count > 0) cost_pass(sheet, "sigmoid", 2 * count, 10 * count);
}
