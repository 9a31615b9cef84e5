// Choosing: the keys of all scores are counted by their upper bits, which tells in which bin the
// k-th best lies. All before it are taken, and those of the bin put on a list, of which one block
// finds the key of the k-th best digit after digit. Keys differ, so which are chosen does not hang
// by the order in which they come.
//
// Sorting: blocks sort chunks, and each key then looks for its place in the other chunks.

#include "nn/top_k/top_k_cuda.h"

extern "C" {
#include "nn/top_k/top_k.h"
}

enum { WARP = 32 };

// ---- Sorting ----

enum { CHUNK_THREADS = SORT_CHUNK / 2 };

// The pair-th pair of a step with a stride.
static __device__ unsigned pair_first(unsigned pair, unsigned stride) {
    return 2 * pair - (pair & (stride - 1)); // strides are powers of 2
}

// Pairs with a stride up to a warp's lanes lie among the keys that its threads have anyway.
static __device__ void wait_between(unsigned before, unsigned stride) {
    if (before > WARP || stride > WARP)
        __syncthreads();
    else
        __syncwarp();
}

// Bitonic (Batcher, 1968); a block for each chunk of each list, a thread for each pair.
static __global__ void __launch_bounds__(CHUNK_THREADS) sort_chunks(uint64_t *keys, int64_t each) {
    __shared__ uint64_t chunk[SORT_CHUNK];
    int64_t base = (int64_t)blockIdx.x * SORT_CHUNK;
    keys += blockIdx.y * each;
    for (unsigned i = threadIdx.x; i < SORT_CHUNK; i += CHUNK_THREADS)
        chunk[i] = base + i < each ? keys[base + i] : NO_KEY;
    unsigned before = SORT_CHUNK;
    for (unsigned size = 2; size <= SORT_CHUNK; size *= 2) {
        for (unsigned stride = size / 2; stride > 0; stride /= 2) {
            wait_between(before, stride);
            unsigned first = pair_first(threadIdx.x, stride);
            uint64_t a = chunk[first];
            uint64_t b = chunk[first + stride];
            bool descending = (first & size) != 0;
            if ((a > b) != descending) {
                chunk[first] = b;
                chunk[first + stride] = a;
            }
            before = stride;
        }
    }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < SORT_CHUNK; i += CHUNK_THREADS)
        if (base + i < each) keys[base + i] = chunk[i];
}

// A thread for each key. Of equal keys, which only NO_KEY has, those of earlier chunks come first.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    merge_chunks(const uint64_t *keys, int64_t each, uint64_t *sorted) {
    int64_t i = global_index();
    keys += blockIdx.y * each;
    sorted += blockIdx.y * each;
    if (i >= each) return;
    int64_t own = i / SORT_CHUNK * SORT_CHUNK;
    int64_t place = i - own;
    for (int64_t chunk = 0; chunk < each; chunk += SORT_CHUNK) {
        int64_t count = each - chunk < SORT_CHUNK ? each - chunk : (int64_t)SORT_CHUNK;
        if (chunk < own && keys[i] == NO_KEY)
            place += count;
        else if (chunk != own)
            place += keys_before(keys + chunk, count, keys[i]);
    }
    sorted[place] = keys[i];
}

uint64_t *cuda_sort(struct nn *nn, uint64_t *keys, uint64_t *spare, int64_t lists, int64_t each) {
    dim3 chunks(blocks_for(each, SORT_CHUNK), (unsigned)lists);
    LAUNCH(nn, sort_chunks, chunks, CHUNK_THREADS, 0, keys, each);
    if (each <= SORT_CHUNK) return keys;
    CHECK(spare);
    LAUNCH(nn, merge_chunks, dim3(blocks_for(each, BLOCK_THREADS), (unsigned)lists), BLOCK_THREADS,
           0, (const uint64_t *)keys, each, spare);
    return spare;
}

// ---- Choosing ----

enum {
    BIN_BITS = 11,
    NUM_BINS = 1 << BIN_BITS,
    BIN_SHIFT = 64 - BIN_BITS,
    SELECT_THREADS = 512,
    SCORES_EACH = 8, // that a thread looks at, and reads before it counts the first
    SELECT_CHUNK = SELECT_THREADS * SCORES_EACH,
    BINS_EACH = NUM_BINS / SELECT_THREADS,
    DIGIT_BITS = 8,
    NUM_DIGITS = 1 << DIGIT_BITS,
    FINISH_THREADS = 1024,
};

// Of one list, zero at first.
struct search {
    unsigned sizes[NUM_BINS]; // how many keys are in which bin
    unsigned taken;           // how many keys are in the list
    unsigned candidates;      // how many of the last bin are to be told apart
    int64_t left;             // how many of these are taken; written by the list's first block
};

struct key_choice {
    struct selections selections;
    struct search *searches; // [images, number]
    uint64_t *candidates;    // [images, number, most]
    int64_t most;            // scores of a list
    uint64_t *keys;          // [images, number, each]
    int64_t each;
};

// The scores of a list, and how many of them are taken.
struct source {
    const float *scores;
    int64_t count, k, base;
};

static __device__ int64_t list_of(const struct key_choice &c) {
    return (int64_t)blockIdx.z * c.selections.number + blockIdx.y;
}

static __device__ struct source source_of(const struct key_choice &c) {
    const struct selections &all = c.selections;
    const struct selection &selection = all.of[blockIdx.y];
    int64_t begin = blockIdx.z * selection.count;
    int64_t count = selection.count;
    if (all.begins) {
        begin = all.begins[blockIdx.z] * all.unit;
        count = all.begins[blockIdx.z + 1] * all.unit - begin;
    }
    int64_t k = selection.k < count ? selection.k : count;
    return {selection.scores + begin, count, k, selection.base};
}

// Calls use(key, there) for the keys of a block; all threads call it as often.
template <class Use> static __device__ void each_key(const struct source &source, Use use) {
    int64_t first = (int64_t)blockIdx.x * SELECT_CHUNK + threadIdx.x;
    float scores[SCORES_EACH];
    for (int k = 0; k < SCORES_EACH; k++) {
        int64_t i = first + k * SELECT_THREADS;
        scores[k] = i < source.count ? source.scores[i] : 0;
    }
    for (int k = 0; k < SCORES_EACH; k++) {
        int64_t i = first + k * SELECT_THREADS;
        use(score_key(scores[k], i + source.base), i < source.count);
    }
}

static __global__ void __launch_bounds__(SELECT_THREADS) count_bins(struct key_choice c) {
    __shared__ unsigned sizes[NUM_BINS];
    struct source source = source_of(c);
    if ((int64_t)blockIdx.x * SELECT_CHUNK >= source.count) return;
    for (unsigned bin = threadIdx.x; bin < NUM_BINS; bin += SELECT_THREADS)
        sizes[bin] = 0;
    __syncthreads();
    each_key(source, [&](uint64_t key, bool there) {
        if (there) atomicAdd(&sizes[key >> BIN_SHIFT], 1u);
    });
    __syncthreads();
    for (unsigned bin = threadIdx.x; bin < NUM_BINS; bin += SELECT_THREADS)
        if (sizes[bin]) atomicAdd(&c.searches[list_of(c)].sizes[bin], sizes[bin]);
}

// What the threads of a warp before this one have, and it.
static __device__ unsigned sum_up_to(unsigned value) {
    int lane = (int)threadIdx.x % WARP;
    for (int by = 1; by < WARP; by *= 2) {
        unsigned other = __shfl_sync(0xffffffffu, value, lane - by < 0 ? 0 : lane - by);
        if (lane >= by) value += other;
    }
    return value;
}

// The part in which the rank-th of some lies, rank from 1: parts is how many each thread of a block
// has, one part behind the other. One thread calls found(how many lie before its part), all wait.
template <int THREADS, class Found>
static __device__ void find_part(unsigned part, int64_t rank, Found found) {
    __shared__ unsigned of_warps[THREADS / WARP];
    unsigned sum = sum_up_to(part);
    if (threadIdx.x % WARP == WARP - 1) of_warps[threadIdx.x / WARP] = sum;
    __syncthreads();
    for (unsigned warp = 0; warp < threadIdx.x / WARP; warp++)
        sum += of_warps[warp];
    if (sum >= rank && sum - part < rank) found((int64_t)(sum - part));
    __syncthreads();
}

// The bin of the last key that is taken, and how many of the bin are.
struct cut {
    unsigned bin;
    int64_t left, size;
};

static __device__ struct cut find_cut(const struct search &search, int64_t k) {
    __shared__ struct cut cut;
    unsigned first = threadIdx.x * BINS_EACH;
    unsigned sizes[BINS_EACH];
    unsigned sum = 0;
    for (unsigned i = 0; i < BINS_EACH; i++)
        sum += sizes[i] = search.sizes[first + i];
    find_part<SELECT_THREADS>(sum, k, [&](int64_t before) {
        unsigned i = 0;
        for (; before + sizes[i] < k; i++)
            before += sizes[i];
        cut = {first + i, k - before, sizes[i]};
    });
    return cut;
}

// Where a thread's key goes, if it has one, behind those that came before. A warp adds once.
static __device__ unsigned claim(unsigned *count, bool wanted) {
    unsigned lane = threadIdx.x % WARP;
    unsigned votes = __ballot_sync(0xffffffffu, wanted);
    unsigned begin = 0;
    if (lane == 0 && votes) begin = atomicAdd(count, (unsigned)__popc(votes));
    return __shfl_sync(0xffffffffu, begin, 0) + (unsigned)__popc(votes & ((1u << lane) - 1));
}

static __global__ void __launch_bounds__(SELECT_THREADS) collect(struct key_choice c) {
    struct source source = source_of(c);
    int64_t list = list_of(c);
    struct search &search = c.searches[list];
    if ((int64_t)blockIdx.x * SELECT_CHUNK >= source.count || source.k == 0) return;
    struct cut cut = find_cut(search, source.k);
    bool whole = cut.left == cut.size;
    if (blockIdx.x == 0 && threadIdx.x == 0) search.left = whole ? 0 : cut.left;
    each_key(source, [&](uint64_t key, bool there) {
        unsigned bin = (unsigned)(key >> BIN_SHIFT);
        bool taken = there && (bin < cut.bin || (whole && bin == cut.bin));
        bool candidate = there && !whole && bin == cut.bin;
        unsigned place = claim(&search.taken, taken);
        if (taken) c.keys[list * c.each + place] = key;
        place = claim(&search.candidates, candidate);
        if (candidate) c.candidates[list * c.most + place] = key;
    });
}

// The left-th of some keys, left from 1, that are alike in their bins, all of a block.
static __device__ uint64_t find_last(const uint64_t *keys, unsigned count, int64_t left) {
    __shared__ unsigned sizes[NUM_DIGITS];
    __shared__ uint64_t last;
    __shared__ int64_t rank; // among those that begin like last; 0: all of them are taken
    if (threadIdx.x == 0) {
        last = keys[0];
        rank = left;
    }
    int known = BIN_SHIFT; // the bits above are known
    do {
        int shift = known > DIGIT_BITS ? known - DIGIT_BITS : 0;
        if (threadIdx.x < NUM_DIGITS) sizes[threadIdx.x] = 0;
        __syncthreads();
        uint64_t begin = last >> known;
        for (unsigned i = threadIdx.x; i < count; i += FINISH_THREADS)
            if (keys[i] >> known == begin)
                atomicAdd(&sizes[keys[i] >> shift & (NUM_DIGITS - 1)], 1u);
        __syncthreads();
        unsigned size = threadIdx.x < NUM_DIGITS ? sizes[threadIdx.x] : 0;
        find_part<FINISH_THREADS>(size, rank, [&](int64_t before) {
            uint64_t digit = threadIdx.x & ((1u << (known - shift)) - 1);
            uint64_t behind = ((uint64_t)1 << shift) - 1;
            rank = rank - before == size ? 0 : rank - before;
            last = (begin << (known - shift) | digit) << shift | (rank == 0 ? behind : 0);
        });
        known = shift;
    } while (rank > 0);
    return last;
}

// A block for each list.
static __global__ void __launch_bounds__(FINISH_THREADS) finish(struct key_choice c) {
    struct source source = source_of(c);
    int64_t list = list_of(c);
    struct search &search = c.searches[list];
    const uint64_t *candidates = c.candidates + list * c.most;
    uint64_t *keys = c.keys + list * c.each;
    unsigned count = search.candidates;
    if (count > 0) {
        uint64_t last = find_last(candidates, count, search.left);
        for (unsigned i = threadIdx.x; i < count; i += FINISH_THREADS)
            if (candidates[i] <= last) keys[atomicAdd(&search.taken, 1u)] = candidates[i];
    }
    for (int64_t i = source.k + threadIdx.x; i < c.each; i += FINISH_THREADS)
        keys[i] = NO_KEY;
}

void cuda_select(struct nn *nn, const struct selections *selections, uint64_t *keys, int64_t each) {
    int64_t lists = selections->images * selections->number;
    struct key_choice c = {*selections, NULL, NULL, 0, keys, each};
    CHECK(selections->number <= MAX_SELECTIONS);
    if (lists == 0 || each == 0) return;
    for (int i = 0; i < selections->number; i++)
        if (selections->of[i].count > c.most) c.most = selections->of[i].count;
    int64_t search_floats = lists * (int64_t)(sizeof(struct search) / sizeof(float));
    float *searches = nn_scratch(nn, search_floats);
    float *candidates = nn_scratch(nn, 2 * lists * c.most);
    c.searches = (struct search *)(void *)searches;
    c.candidates = (uint64_t *)(void *)candidates;
    dim3 lists_grid(1, (unsigned)selections->number, (unsigned)selections->images);
    dim3 grid = lists_grid;
    if (c.most > 0) grid.x = blocks_for(c.most, SELECT_CHUNK);
    cuda_zero(nn, searches, search_floats * (int64_t)sizeof *searches);
    LAUNCH(nn, count_bins, grid, SELECT_THREADS, 0, c);
    LAUNCH(nn, collect, grid, SELECT_THREADS, 0, c);
    LAUNCH(nn, finish, lists_grid, FINISH_THREADS, 0, c);
    nn_scratch_free(nn, candidates);
    nn_scratch_free(nn, searches);
}

// ---- The operation ----

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
    float *memory = nn_scratch(nn, 4 * k);
    uint64_t *keys = (uint64_t *)(void *)memory;
    struct selections selections = {};
    selections.of[0] = {scores, call->count, k, 0};
    selections.number = 1;
    selections.images = 1;
    cuda_select(nn, &selections, keys, k);
    keys = cuda_sort(nn, keys, keys + k, 1, k);
    LAUNCH(nn, take_indices, blocks_for(k, BLOCK_THREADS), BLOCK_THREADS, 0, (const uint64_t *)keys,
           k, items);
    nn_scratch_free(nn, memory);
    operands_end(&o);
}
