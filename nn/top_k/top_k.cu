// The key of the k-th best is found digit after digit from the top, each by a launch that counts
// the digits of the keys that begin like it; then all that do not rank behind it are collected, in
// any order. Keys differ, so which these are does not depend on that order.

#include "nn/top_k/top_k_cuda.h"

extern "C" {
#include "nn/top_k/top_k.h"
}

enum {
    DIGIT_BITS = 8,
    NUM_DIGITS = 1 << DIGIT_BITS,
    SCORE_DIGITS = 32 / DIGIT_BITS,
    MAX_DIGITS = 2 * SCORE_DIGITS,
    SELECT_CHUNK = 4096, // scores that one block looks at
    CHUNK_THREADS = SORT_CHUNK / 2,
};

// ---- Sorting: bitonic (Batcher, 1968) ----

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
    return 2 * pair - (pair & (stride - 1)); // strides are powers of 2
}

// Everything of the steps from size, as far as it happens within one chunk.
static __global__ void __launch_bounds__(CHUNK_THREADS)
    sort_chunks(uint64_t *keys, int64_t from_size, int64_t to_size) {
    __shared__ uint64_t chunk[SORT_CHUNK];
    int64_t base = (int64_t)blockIdx.x * SORT_CHUNK;
    int64_t pair = threadIdx.x;
    chunk[pair] = keys[base + pair];
    chunk[pair + CHUNK_THREADS] = keys[base + pair + CHUNK_THREADS];
    for (int64_t size = from_size; size <= to_size; size *= 2) {
        for (int64_t stride = size < SORT_CHUNK ? size / 2 : SORT_CHUNK / 2; stride > 0;
             stride /= 2) {
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
    unsigned chunks = (unsigned)(capacity / SORT_CHUNK);
    if (count < capacity)
        LAUNCH(nn, fill_keys, blocks_for(capacity - count, BLOCK_THREADS), BLOCK_THREADS, 0, keys,
               count, capacity);
    LAUNCH(nn, sort_chunks, chunks, CHUNK_THREADS, 0, keys, (int64_t)2, (int64_t)SORT_CHUNK);
    for (int64_t size = 2 * SORT_CHUNK; size <= capacity; size *= 2) {
        for (int64_t stride = size / 2; stride >= SORT_CHUNK; stride /= 2)
            LAUNCH(nn, sort_step, blocks_for(capacity / 2, BLOCK_THREADS), BLOCK_THREADS, 0, keys,
                   capacity / 2, size, stride);
        LAUNCH(nn, sort_chunks, chunks, CHUNK_THREADS, 0, keys, size, size);
    }
}

// ---- Choosing ----

// What is known of the last key that is chosen: its upper digits, and which it is, from 1, among
// the keys that begin so. With rank 0, all keys up to last are chosen.
struct progress {
    uint64_t last;
    int64_t rank;
};

// Of one selection, zero at first.
struct search {
    unsigned sizes[MAX_DIGITS][NUM_DIGITS]; // of the keys that begin like last, by the next digit
    struct progress steps[MAX_DIGITS];      // before each digit
    unsigned taken;
};

struct selections {
    struct selection of[MAX_SELECTIONS];
    struct search *searches;
    int num_digits; // all above are 0 in every index
};

static __device__ int shift_of(const struct selections &s, int digit) {
    if (digit < SCORE_DIGITS) return 64 - DIGIT_BITS * (digit + 1);
    return DIGIT_BITS * (s.num_digits - 1 - digit);
}

// Adds the digit of the last key, given how many keys have which; a thread for each digit.
static __device__ struct progress add_digit(struct progress now, unsigned size, int shift) {
    __shared__ unsigned sums[NUM_DIGITS];
    __shared__ struct progress found;
    unsigned sum = size;
    for (unsigned by = 1; by < NUM_DIGITS; by *= 2) {
        sums[threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.x >= by) sum += sums[threadIdx.x - by];
        __syncthreads();
    }
    if (sum >= now.rank && sum - size < now.rank) { // true for one thread
        found.last = now.last | (uint64_t)threadIdx.x << shift;
        found.rank = now.rank - (sum - size);
        if (found.rank == size) {
            found.last |= ((uint64_t)1 << shift) - 1;
            found.rank = 0;
        }
    }
    __syncthreads();
    return found;
}

static __device__ struct progress progress_before(const struct selections &s, int digit) {
    const struct selection &selection = s.of[blockIdx.y];
    const struct search &search = s.searches[blockIdx.y];
    if (selection.k == selection.count) return {UINT64_MAX, 0};
    if (digit == 0) return {0, selection.k};
    struct progress now = search.steps[digit - 1];
    if (now.rank == 0) return now;
    return add_digit(now, search.sizes[digit - 1][threadIdx.x], shift_of(s, digit - 1));
}

// Calls use(key) for the keys of a block.
template <class Use> static __device__ void each_key(const struct selection &selection, Use use) {
    int64_t begin = (int64_t)blockIdx.x * SELECT_CHUNK;
    int64_t end = begin + SELECT_CHUNK < selection.count ? begin + SELECT_CHUNK : selection.count;
    for (int64_t i = begin + threadIdx.x; i < end; i += NUM_DIGITS)
        use(score_key(selection.scores[i], i));
}

static __global__ void __launch_bounds__(NUM_DIGITS) count_digits(struct selections s, int digit) {
    __shared__ unsigned sizes[NUM_DIGITS];
    struct search &search = s.searches[blockIdx.y];
    if ((int64_t)blockIdx.x * SELECT_CHUNK >= s.of[blockIdx.y].count) return;
    struct progress now = progress_before(s, digit);
    if (blockIdx.x == 0 && threadIdx.x == 0) search.steps[digit] = now;
    if (now.rank == 0) return;
    int shift = shift_of(s, digit);
    sizes[threadIdx.x] = 0;
    __syncthreads();
    each_key(s.of[blockIdx.y], [&](uint64_t key) {
        bool alike = digit == 0 || (key ^ now.last) >> shift >> DIGIT_BITS == 0;
        if (alike) atomicAdd(&sizes[key >> shift & (NUM_DIGITS - 1)], 1u);
    });
    __syncthreads();
    if (sizes[threadIdx.x]) atomicAdd(&search.sizes[digit][threadIdx.x], sizes[threadIdx.x]);
}

static __global__ void __launch_bounds__(NUM_DIGITS) collect(struct selections s) {
    const struct selection &selection = s.of[blockIdx.y];
    struct search &search = s.searches[blockIdx.y];
    if ((int64_t)blockIdx.x * SELECT_CHUNK >= selection.count) return;
    uint64_t last = progress_before(s, s.num_digits).last;
    each_key(selection, [&](uint64_t key) {
        if (key <= last)
            selection.keys[atomicAdd(&search.taken, 1u)] = key + (uint64_t)selection.base;
    });
}

void cuda_select(struct nn *nn, const struct selection *selections, int number) {
    CHECK(number <= MAX_SELECTIONS);
    if (number == 0) return;
    struct selections s = {};
    int64_t most = 0;
    for (int i = 0; i < number; i++) {
        s.of[i] = selections[i];
        most = most < selections[i].count ? selections[i].count : most;
    }
    s.num_digits = SCORE_DIGITS + 1;
    while ((most - 1) >> DIGIT_BITS * (s.num_digits - SCORE_DIGITS))
        s.num_digits++;
    float *memory = nn_scratch(nn, number * (int64_t)(sizeof(struct search) / sizeof(float)));
    s.searches = (struct search *)(void *)memory;
    dim3 grid(blocks_for(most, SELECT_CHUNK), (unsigned)number);
    cuda_zero(nn, memory, number * (int64_t)sizeof(struct search));
    for (int digit = 0; digit < s.num_digits; digit++)
        LAUNCH(nn, count_digits, grid, NUM_DIGITS, 0, s, digit);
    LAUNCH(nn, collect, grid, NUM_DIGITS, 0, s);
    nn_scratch_free(nn, memory);
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
    struct selection selection = {scores, call->count, k, 0, keys};
    cuda_select(nn, &selection, 1);
    cuda_sort(nn, keys, k);
    LAUNCH(nn, take_indices, blocks_for(k, BLOCK_THREADS), BLOCK_THREADS, 0, (const uint64_t *)keys,
           k, items);
    nn_scratch_free(nn, memory);
    operands_end(&o);
}
