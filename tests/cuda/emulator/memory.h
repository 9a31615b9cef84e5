// The emulated device's memory: each allocation lies between pages that cannot be
// touched, its end at the second one.
#pragma once

bool emulator_is_device_memory(const void *pointer);

// Plain device memory can be touched while a kernel runs, or while the runtime copies, only.
void emulator_open_device_memory(bool open);
