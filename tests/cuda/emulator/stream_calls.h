// What another library, as the one that stands in for NCCL, can do with an emulated stream that it
// is given: the stream begins with a pointer to this table.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct emulated_stream_calls {
    // Behind all that the stream was given before, the stream calls work again and again until that
    // returns true. work uses the allocation that memory lies in, and no other. For the thread that
    // launches kernels.
    void (*enqueue)(void *stream, bool (*work)(void *argument), void *argument, const void *memory);
    // Whether all these bytes lie in one allocation of the device.
    bool (*is_device_memory)(const void *memory, size_t bytes);
    int (*device)(const void *stream);
};
