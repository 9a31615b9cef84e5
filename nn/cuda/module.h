// The program's side of the CUDA module.
#pragma once

#include "nn/nn.h"

// Opens the module at path (NULL: the one that module_path_find finds) and a device.
// What is missing is one sentence: the module, the driver, the device, or that it is too old.
MUST_CHECK enum status cuda_open(struct nn *nn, const char *path, int number, struct error *err);
void cuda_close(struct nn *nn);

// The calling thread uses nn from here on.
void cuda_enter(struct nn *nn);

// The memory that nn->heap describes: at most so many bytes, 0: all that the device has. A context
// takes of it what cuda_reach asks for; a guarded one takes it at once and shares it with the
// program.
MUST_CHECK enum status cuda_map_memory(struct nn *nn, int64_t bytes, struct error *err);

// Makes what lies before end usable. False if there is no memory for it, which becomes nn's
// failure.
bool cuda_reach(struct nn *nn, int64_t end);

// Zeroed memory of the device, which the program cannot use; lives as long as nn.
MUST_CHECK enum status cuda_allocate(struct nn *nn, int64_t bytes, void **memory,
                                     struct error *err);

// The program's memory, not cleared, which the device reaches as well; lives as long as nn.
MUST_CHECK enum status cuda_allocate_pinned(struct nn *nn, int64_t bytes, void **memory,
                                            struct error *err);

// A copy between the device's memory and the program's, or zeros for the device's, behind what was
// launched before. A failure becomes nn's.
void cuda_transfer(struct nn *nn, void *to, const void *from, int64_t bytes);
void cuda_clear(struct nn *nn, void *memory, int64_t bytes);

// Have the device run a call, without waiting for its end.
void cuda_forward(struct nn *nn, struct call *call);
void cuda_backward(struct nn *nn, struct call *call);

// Until all calls have ended; their failures become nn's.
void cuda_wait_for_all(struct nn *nn);
