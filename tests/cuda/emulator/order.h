// In which order comes what has none: the threads and blocks of a kernel, the work of streams that
// do not wait for each other. CUDA_EMULATOR_ORDER is forward (the default), reverse or random.
#pragma once

enum class sequence { forward, reverse, random };

sequence emulator_sequence();
unsigned emulator_random_below(unsigned bound);
