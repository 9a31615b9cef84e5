// y = 1 / (1 + exp(-x)), for each element.
#pragma once

#include "nn/nn.h"

struct tensor *sigmoid_forward(struct nn *nn, struct tensor *x);
