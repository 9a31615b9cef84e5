// Streams of the emulated device: each does its work in the order in which it came, those of
// different streams come in any order that events allow.
//
// CUDA_EMULATOR_LAUNCH=now, the default, does at once what need not wait for another stream. With
// deferred nothing is done until the program waits or asks, and until then the program must not
// touch managed memory: so who reads a result too early, or overwrites what a kernel still has to
// read, is found. And so is who forgets that one stream has to wait for another: in the order
// forward other streams do no more than they must for the one that is waited for, in reverse they
// do all they can before it, and in random anything between.
#pragma once

#include <vector>

#include <cuda_runtime.h>

struct emulator_work {
    std::function<bool()> attempt; // true: it is done
    bool uses_all;                 // of its device's managed memory
    const void *uses;              // or the allocation that this lies in; nullptr: none
};

// What a stream was given while it was captured.
struct emulator_capture {
    std::vector<emulator_work> work;
    bool is_invalid; // something was asked for that a graph cannot hold
};

void emulator_enqueue_work(cudaStream_t stream, const emulator_work &work);
// nullptr unless it is being captured.
emulator_capture *&emulator_capture_of(cudaStream_t stream);
// Whether it is being captured, and then the capture fails.
bool emulator_refuses_in_capture(cudaStream_t stream);
void emulator_enqueue(cudaStream_t stream, std::function<void()> work);
// The stream calls work, which uses no memory of the device, again and again until it returns true.
void emulator_enqueue_tries(cudaStream_t stream, std::function<bool()> work);
void emulator_finish(cudaStream_t stream);
void emulator_finish_all();
// Does a little of what there is to do, for a program that asks how far the stream is.
void emulator_advance(cudaStream_t stream);

// What happened so far; tests ask by the name of a count (emulator_count).
struct emulator_counts {
    int64_t launches;
    int64_t waits;     // for work that had come since the last
    int64_t uploads;   // copies from the program's own memory
    int64_t downloads; // copies to it
    int64_t bytes;     // that copies and settings of the device's memory moved, and kernels where
                       // the module is compiled so (traffic.cpp)
    int64_t graphs;    // that were launched
};
extern emulator_counts emulator_counted;
// For tests, which look it up in the module; -1 if there is no such count.
extern "C" __attribute__((visibility("default"))) int64_t emulator_count(const char *name);
