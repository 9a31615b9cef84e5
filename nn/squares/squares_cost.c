#include "nn/cuda/cost_launch.h"
#include "nn/squares/squares.h"

void cost_squares_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct squares_call *call = (const struct squares_call *)base;
    if (call->count == 0) return;
    cost_pass(sheet, "parts", (double)call->count, 2 * (double)call->count);
    cost_pass(sheet, "sum", 1, 1);
}
