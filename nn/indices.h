// A list of indices that an operation fills: what was chosen out of something larger.
#pragma once

#include <stdint.h>

struct indices {
    int64_t capacity;
    int64_t count;  // on the plan device, the most there can be; 0 after a failure
    int32_t *items; // the caller's memory, [capacity]
};
