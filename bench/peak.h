// What the machine can do, measured in the same run as what is compared with it.
#pragma once

#include "nn/nn.h"

// Floating-point operations of one second in a product of 2048 x 2048 matrices with nn's threads,
// the weights packed, as everything here has them: the best of num_rounds. Begins a step of nn.
MUST_CHECK enum status measure_matrix_product(struct nn *nn, int num_rounds, double *flops,
                                              struct error *err);
