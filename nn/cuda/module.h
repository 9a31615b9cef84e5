// The program's side of the CUDA module.
#pragma once

#include "nn/nn.h"

// Opens the module at path (NULL: gctmask-cuda.so beside the program or the library) and a device.
// What is missing is one sentence: the module, the driver, the device, or that it is too old.
MUST_CHECK enum status cuda_open(struct nn *nn, const char *path, int number, struct error *err);
void cuda_close(struct nn *nn);

// The memory that nn->heap describes; bytes 0: as much as the device has.
MUST_CHECK enum status cuda_map_memory(struct nn *nn, int64_t bytes, struct error *err);

// Run a call on the device and wait for its end; failures become nn's.
void cuda_forward(struct nn *nn, struct call *call);
void cuda_backward(struct nn *nn, struct call *call);
