// Sums over the threads of a block, in an order that depends on its size alone.
#pragma once

#include "nn/cuda/kernel.h"

enum { BLOCK_MAX_WARPS = 32, FULL_WARP = -1 };

// What all threads' values come to; every thread gets it. All must call it, with a whole number of
// warps. combine(a, b) must not depend on who asks.
template <class Value, class Combine>
static __device__ Value block_combine(Value value, Combine combine) {
    __shared__ Value of_warps[BLOCK_MAX_WARPS];
    unsigned warps = blockDim.x * blockDim.y / 32;
    unsigned number = threadIdx.y * blockDim.x + threadIdx.x;
    for (int by = 16; by > 0; by /= 2) {
        Value other = __shfl_down_sync((unsigned)FULL_WARP, value, (unsigned)by);
        value = combine(value, other);
    }
    if (number % 32 == 0) of_warps[number / 32] = value;
    __syncthreads();
    value = of_warps[0];
    for (unsigned i = 1; i < warps; i++)
        value = combine(value, of_warps[i]);
    __syncthreads(); // before the next use of the shared values
    return value;
}

template <class Value> static __device__ Value block_sum(Value value) {
    return block_combine(value, [](Value a, Value b) { return a + b; });
}
