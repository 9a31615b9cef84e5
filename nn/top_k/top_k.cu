// One block finds the key of the k-th best, digit after digit from the top; all that do not rank
// behind it are collected, in any order, and sorted. Keys differ, so the result does not depend on
// that order.

#include "nn/top_k/top_k_cuda.h"

extern "C" {
#include "nn/top_k/top_k.h"
}

enum {
    DIGIT_BITS = 8,
    NUM_DIGITS = 1 << DIGIT_BITS,
    SELECT_THREADS = 1024,
    CHUNK = 2048, // keys that one block sorts in shared memory
    CHUNK_THREADS = CHUNK / 2,
};

// ---- Sorting: bitonic (Batcher, 1968) ----

int64_t sort_capacity(int64_t count) {
    int64_t capacity = CHUNK;
    while (capacity < count)
        capacity *= 2;
    return capacity;
}

// Exchanges keys first and first + stride if they are out of order in a run of 2 size keys.
static __device__ void compare(uint64_t *keys, int64_t first, int64_t stride, bool descending) {
    uint64_t a = keys[first];
    uint64_t b = keys[first + stride];
    if ((a > b) == descending) return;
    keys[first] = b;
    keys[first + stride] = a;
}

// The pair-th pair of a step with a stride.
static __device__ int64_t pair_first(int64_t pair, int64_t stride) {
    return pair / stride * 2 * stride + pair % stride;
}

// Everything of the steps from size, as far as it happens within one chunk.
static __global__ void __launch_bounds__(CHUNK_THREADS)
    sort_chunks(uint64_t *keys, int64_t from_size, int64_t to_size) {
    __shared__ uint64_t chunk[CHUNK];
    int64_t base = (int64_t)blockIdx.x * CHUNK;
    int64_t pair = threadIdx.x;
    chunk[pair] = keys[base + pair];
    chunk[pair + CHUNK_THREADS] = keys[base + pair + CHUNK_THREADS];
    for (int64_t size = from_size; size <= to_size; size *= 2) {
        for (int64_t stride = size < CHUNK ? size / 2 : CHUNK / 2; stride > 0; stride /= 2) {
            __syncthreads();
            int64_t first = pair_first(pair, stride);
            compare(chunk, first, stride, ((base + first) & size) != 0);
        }
    }
    __syncthreads();
    keys[base + pair] = chunk[pair];
    keys[base + pair + CHUNK_THREADS] = chunk[pair + CHUNK_THREADS];
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    sort_step(uint64_t *keys, int64_t pairs, int64_t size, int64_t stride) {
    int64_t pair = global_index();
    if (pair >= pairs) return;
    int64_t first = pair_first(pair, stride);
    compare(keys, first, stride, (first & size) != 0);
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    fill_keys(uint64_t *keys, int64_t begin, int64_t end) {
    int64_t i = begin + global_index();
    if (i < end) keys[i] = NO_KEY;
}

void cuda_sort(struct nn *nn, uint64_t *keys, int64_t count) {
    int64_t capacity = sort_capacity(count);
    unsigned chunks = (unsigned)(capacity / CHUNK);
    if (count < capacity)
        LAUNCH(nn, fill_keys, blocks_for(capacity - count, BLOCK_THREADS), BLOCK_THREADS, 0, keys,
               count, capacity);
    LAUNCH(nn, sort_chunks, chunks, CHUNK_THREADS, 0, keys, (int64_t)2, (int64_t)CHUNK);
    for (int64_t size = 2 * CHUNK; size <= capacity; size *= 2) {
        for (int64_t stride = size / 2; stride >= CHUNK; stride /= 2)
            LAUNCH(nn, sort_step, blocks_for(capacity / 2, BLOCK_THREADS), BLOCK_THREADS, 0, keys,
                   capacity / 2, size, stride);
        LAUNCH(nn, sort_chunks, chunks, CHUNK_THREADS, 0, keys, size, size);
    }
}

// ---- Choosing ----

// Counts the digits of the keys that begin like prefix, then adds the digit of the rank-th (from
// 1) to the prefix and what is left of the rank; one block.
static __device__ void next_digit(const float *scores, int64_t count, int shift, uint64_t *prefix,
                                  int64_t *rank) {
    __shared__ unsigned sizes[NUM_DIGITS];
    __shared__ uint64_t found_prefix;
    __shared__ int64_t found_rank;
    for (unsigned d = threadIdx.x; d < NUM_DIGITS; d += blockDim.x)
        sizes[d] = 0;
    __syncthreads();
    int above = shift + DIGIT_BITS;
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) {
        uint64_t key = score_key(scores[i], i);
        bool alike = above == 64 || key >> above == *prefix >> above;
        if (alike) atomicAdd(&sizes[key >> shift & (NUM_DIGITS - 1)], 1u);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        int64_t left = *rank;
        uint64_t digit = 0;
        while (left > (int64_t)sizes[digit])
            left -= (int64_t)sizes[digit++];
        found_prefix = *prefix | digit << shift;
        found_rank = left;
    }
    __syncthreads();
    *prefix = found_prefix;
    *rank = found_rank;
    __syncthreads();
}

// The k best, in any order; one block.
static __global__ void __launch_bounds__(SELECT_THREADS)
    select_best(const float *scores, int64_t count, int64_t k, uint64_t *keys) {
    __shared__ unsigned taken;
    uint64_t last = 0;
    int64_t rank = k;
    for (int shift = 64 - DIGIT_BITS; k < count && shift >= 0; shift -= DIGIT_BITS)
        next_digit(scores, count, shift, &last, &rank);
    if (threadIdx.x == 0) taken = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) {
        uint64_t key = score_key(scores[i], i);
        if (k == count || key <= last) keys[atomicAdd(&taken, 1u)] = key;
    }
}

void cuda_select(struct nn *nn, const float *scores, int64_t count, int64_t k, uint64_t *keys) {
    if (k == 0) return;
    LAUNCH(nn, select_best, 1, SELECT_THREADS, 0, scores, count, k, keys);
    cuda_sort(nn, keys, k);
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    take_indices(const uint64_t *keys, int64_t count, int32_t *items) {
    int64_t i = global_index();
    if (i < count) items[i] = (int32_t)(keys[i] & INT32_MAX);
}

void cuda_top_k_forward(struct nn *nn, struct call *base) {
    const struct top_k_call *call = (const struct top_k_call *)base;
    int64_t k = call->out->count;
    if (k == 0) return;
    struct operands o = {.nn = nn};
    const float *scores = operand_in(&o, call->scores, call->count);
    int32_t *items = operand_out(&o, call->out->items, k);
    float *memory = nn_scratch(nn, 2 * sort_capacity(k));
    uint64_t *keys = (uint64_t *)(void *)memory;
    cuda_select(nn, scores, call->count, k, keys);
    LAUNCH(nn, take_indices, blocks_for(k, BLOCK_THREADS), BLOCK_THREADS, 0, (const uint64_t *)keys,
           k, items);
    nn_scratch_free(nn, memory);
    operands_end(&o);
}
