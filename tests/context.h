// A context for a test.
#pragma once

#include "nn/nn.h"

// Created with the options. Ends the case as skipped where the real CUDA module finds no device
// (tests/gpu.h), as failed where it cannot be created for another reason.
struct nn *tested_context(const struct nn_options *options);
