// What a .cu file needs of CUDA: the runtime's header, which is the toolkit's or the emulator's
// (tests/cuda/emulator), and the two things that the language has no portable spelling for.
// Kernels use nothing else: no chevrons, no inline PTX, no cooperative groups, no CUB.
#pragma once

#include <cuda_runtime.h>

#ifdef __CUDACC__
// A kernel that is a template goes into parentheses.
#define GPU_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                 \
    kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)
// kernel is a pointer to one; name: what the emulator calls it.
#define GPU_LAUNCH_AS(name, kernel, grid, block, shared_bytes, stream, ...)                        \
    GPU_LAUNCH(kernel, grid, block, shared_bytes, stream, __VA_ARGS__)
#define GPU_DYNAMIC_SHARED(type, name)                                                             \
    extern __shared__ __align__(16) unsigned char name##_bytes[];                                  \
    type *name = reinterpret_cast<type *>(name##_bytes)
#endif
