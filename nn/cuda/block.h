// Sums over the threads of a block, in an order that depends on its size alone, and the block that
// ends a launch.
#pragma once

#include "nn/cuda/kernel.h"

enum { BLOCK_MAX_WARPS = 32, FULL_WARP = -1 };

// The number of a thread in its block, and how many there are.
static __device__ inline unsigned thread_number() {
    return threadIdx.y * blockDim.x + threadIdx.x;
}

static __device__ inline unsigned num_threads() {
    return blockDim.x * blockDim.y;
}

// What all threads' values come to; every thread gets it. All must call it, with a whole number of
// warps. combine(a, b) must not depend on who asks.
template <class Value, class Combine>
static __device__ Value block_combine(Value value, Combine combine) {
    __shared__ Value of_warps[BLOCK_MAX_WARPS];
    unsigned warps = num_threads() / 32;
    unsigned number = thread_number();
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

// Whether this block is the last of count that come here with the same ticket (cuda_tickets), which
// it resets: it sees what all of them wrote before, and can go on from there without another
// launch. All threads of a block must call it.
static __device__ inline bool is_last_block(unsigned *ticket, unsigned count) {
    __shared__ bool is_last;
    __threadfence(); // what this thread wrote comes before the block's number
    __syncthreads();
    if (thread_number() == 0) {
        is_last = atomicAdd(ticket, 1u) == count - 1;
        if (is_last) *ticket = 0;
    }
    __syncthreads();
    __threadfence(); // and what is read from here on after those of all others
    return is_last;
}
