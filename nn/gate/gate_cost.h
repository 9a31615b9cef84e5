// What the parts of a gate cost (nn/gate/gate_cuda.h), for the operation and for the convolution
// that contains it.
#pragma once

#include "nn/cuda/cost_launch.h"
#include "nn/gate/gate.h"

// The sums over x, unless another gate has taken them, and the gates that follow.
void cost_gates(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x);

// From x and the gradient of the scaled x to the gradients of the parameters and what flows on.
void cost_gates_close(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x);

// The values that this moves for n images once the gates' gradients are there; adds_pull: what
// flows on is added to what waits already.
double cost_gates_closed(const struct gate *gate, int64_t n, bool adds_pull);

// The gradient of x, from that of the scaled x.
void cost_gates_pull(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x);
