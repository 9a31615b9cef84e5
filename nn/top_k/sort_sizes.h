// How keys are sorted on CUDA, for the kernels and for those who count what they cost.
#pragma once

enum { SORT_CHUNK = 2048 }; // keys that one block sorts in shared memory
