// What the losses share. Each is one number, [1, 1, 1, 1]: scale times a sum, which is cut into
// parts that do not depend on the number of threads and added up in double. In the backward pass
// the gradient of a loss is 1.
//
// Targets are borrowed until nn_backward has run; the plan device does not look at them.
#pragma once

#include "nn/nn.h"

enum { LOSS_PARTS = 64 };

// Where the part-th piece of count begins; it ends where the next one begins.
static inline int64_t loss_part(int64_t count, int64_t part) {
    return count * part / LOSS_PARTS;
}

// Runs a loss of predictions; returns its result.
struct tensor *loss_run(struct nn *nn, struct call *call, struct tensor *predictions);

// out = scale times the sum of parts.
void loss_write(const double parts[LOSS_PARTS], float scale, struct tensor *out);
