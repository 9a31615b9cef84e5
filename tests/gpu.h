// Which CUDA module a test opens: the emulated one that it is built with, or, where the environment
// variable GCTMASK_CUDA_MODULE names one, that: the real module, on a GPU.
#pragma once

#include "base/error.h"

const char *tested_cuda_module(const char *emulated);

// For a context that could not be created: ends the case as skipped if the reason is that the real
// module finds no device on this machine. Anything else that is missing remains a failure.
void skip_without_device(const struct error *err);
