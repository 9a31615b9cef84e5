// The emulated device's memory: each allocation lies between pages that cannot be
// touched, its end at the second one.
#pragma once

#include <cstddef>

bool emulator_is_device_memory(const void *pointer); // or managed

// The device that the calling thread has chosen.
int emulator_device();
bool emulator_is_managed_memory(const void *pointer);
// The allocation that it lies in; false if it does not lie in managed memory.
bool emulator_find_managed_memory(const void *pointer, const char **begin, size_t *bytes);

// Plain device memory can be touched while a kernel runs, or while the runtime copies, only.
void emulator_open_device_memory(bool open);

// Managed memory can be touched unless work is waiting to be done (stream.h).
void emulator_close_managed_memory(bool close);
