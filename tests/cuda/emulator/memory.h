// The emulated device's memory: each allocation lies between pages that cannot be
// touched, its end at the second one.
#pragma once

#include <cstddef>
#include <mutex>
#include <set>
#include <vector>

#include <cuda_runtime.h>

// Several threads of the program, with a device each, take turns: all of the emulator, and every
// kernel with what is shared by its block, is one thread's at a time.
struct emulator_turn {
    emulator_turn();
    std::lock_guard<std::recursive_mutex> lock;
};

bool emulator_is_device_memory(const void *pointer); // or managed
// Whether all bytes lie in one allocation.
bool emulator_is_within_device_memory(const void *pointer, size_t bytes);

// Whether the device fails, once it is waited for: CUDA_EMULATOR_LOST names a folder, and as long
// as a file there has its number as a name.
bool emulator_is_lost(int device);

// The device that the calling thread has chosen.
int emulator_device();
bool emulator_is_managed_memory(const void *pointer);
// The allocation that it lies in; false if that is the program's or a block's.
bool emulator_find_global_memory(const void *pointer, const char **begin, size_t *bytes);

enum class emulator_memory {
    device,  // the device's alone
    managed, // the program's as well
    pinned,  // the program's own, which the device reaches
    block,   // dynamic shared memory
};
void *emulator_allocate_for_block(size_t bytes); // for cudaFree

// Of a device's memory; false if there is not so much.
bool emulator_take(int device, size_t bytes);
void emulator_give_back(int device, size_t bytes);

// Makes so many more bytes behind those at begin, which are one allocation with them, the device's.
void emulator_extend(void *begin, size_t bytes, size_t more, int device);
void emulator_forget(void *begin, size_t bytes);

// Plain device memory can be touched while a kernel runs, or while the runtime copies, only.
void emulator_open_device_memory(bool open);

// What work that waits to be done may use of managed memory, which the program must not touch then:
// all that was allocated on some devices, and the allocations that some addresses lie in
// (stream.h).
struct emulator_use {
    std::set<int> devices;
    std::vector<const void *> addresses;
};
bool emulator_is_closed(int device); // all of its managed memory
void emulator_close_managed_memory(const emulator_use &use);

// What cudaGetLastError tells this thread next.
void emulator_set_last_error(cudaError_t error);
