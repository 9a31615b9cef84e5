// y[j] = exp(x[j]) / sum_k exp(x[k]), over the channels of each position.
#pragma once

#include "nn/nn.h"

struct tensor *softmax_forward(struct nn *nn, struct tensor *x);
