// Step memory on a device: a range of addresses, and behind them as much of the device's memory as
// steps have needed so far. So a context takes no more of a device than it uses, while what has an
// address keeps it.
#pragma once

#include "nn/cuda/kernel.h"

struct step_memory;

// At least bytes of addresses, none of which can be used yet; *begin is the first.
MUST_CHECK enum status step_memory_open(struct step_memory **memory, int device, int64_t bytes,
                                        void **begin, struct error *err);
// Nothing may use it any more. NULL is fine.
void step_memory_close(struct step_memory *memory);

// Makes what lies before end usable, and some more: *usable is how much. Waits for nothing.
MUST_CHECK enum status step_memory_grow(struct step_memory *memory, int64_t end, int64_t *usable,
                                        struct error *err);
