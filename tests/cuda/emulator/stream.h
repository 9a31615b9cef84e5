// Streams of the emulated device: work in the order in which it came.
//
// CUDA_EMULATOR_LAUNCH=now, the default, does it at once. With deferred nothing is done until the
// program waits, and until then the program must not touch managed memory: so who reads a result
// too early, or overwrites what a kernel still has to read, is found.
#pragma once

#include <cuda_runtime.h>

void emulator_enqueue(cudaStream_t stream, std::function<void()> work);
void emulator_finish(cudaStream_t stream);
void emulator_finish_all();

// What happened so far; tests ask by the name of a count (emulator_count).
struct emulator_counts {
    int64_t launches;
    int64_t waits;     // for work that had come since the last
    int64_t uploads;   // copies from the program's own memory
    int64_t downloads; // copies to it
    int64_t bytes;     // that copies and settings of the device's memory moved, and kernels where
                       // the module is compiled so (traffic.cpp)
};
extern emulator_counts emulator_counted;
// For tests, which look it up in the module; -1 if there is no such count.
extern "C" __attribute__((visibility("default"))) int64_t emulator_count(const char *name);
