#include "nn/cuda/cost_launch.h"
#include "nn/sgd/sgd.h"

void cost_sgd_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct sgd_call *call = (const struct sgd_call *)base;
    double count = (double)call->parameters->num_trainable_floats;
    // Values, velocities and gradients are read and written.
    if (count > 0) cost_pass(sheet, "step", 6 * count, 7 * count);
}
