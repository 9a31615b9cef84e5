// What the parts of a gate cost (nn/gate/gate_cuda.h), for the operation and for the convolution
// that contains it.
#pragma once

#include "nn/cuda/cost_launch.h"
#include "nn/gate/gate.h"

// The sums over x, unless another gate has taken them, and the gates that follow.
void cost_gates(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x);

// From the gates' gradients to those of the parameters and what flows on to the input.
void cost_gates_gradient(struct cost_sheet *sheet, const struct gate *gate, int64_t n);

// What waits for the producer of x.
void cost_gates_defer(struct cost_sheet *sheet, const struct tensor *x);

// The gradient of x, from that of the scaled x.
void cost_gates_pull(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x);
