// A factor for losses, and so for all gradients, where those are stored in float16: the small ones
// would be lost below 6e-8. The solver divides by it. It adapts (Micikevicius et al., "Mixed
// Precision Training", ICLR 2018, section 3.2): a step whose gradients are not finite is left out,
// and the factor halves; after many steps that were finite it doubles. It is a power of two, so
// that it rounds nothing.
//
// bfloat16 has the range of float32 and needs none.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nn/nn.h"

struct loss_scale {
    double factor;     // 0 where losses are not scaled
    int64_t num_steps; // since it last changed
};

// What training in a precision begins with.
struct loss_scale loss_scale_start(enum nn_precision precision);

// 1 where losses are not scaled.
double loss_scale_factor(const struct loss_scale *scale);

// After a step: whether its gradients were finite. True if it is to be left out, and the factor is
// smaller for the next; false if it counts, or if the factor cannot be what is wrong.
bool loss_scale_adapt(struct loss_scale *scale, bool is_finite);
