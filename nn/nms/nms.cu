// Boxes are taken in windows. Within one, every pair of boxes is compared at once; a bit tells
// which later boxes a box would drop. Then one block goes through the window, 64 boxes at a time:
// one thread decides among those 64, and all threads together mark what the kept ones drop. What
// earlier windows kept drops boxes of a window beforehand. When enough are kept, the windows left
// end at once.

#include "nn/nms/nms_cuda.h"

extern "C" {
#include "nn/box_math.h"
#include "nn/nms/nms.h"
}

enum {
    WORD = 64,
    WINDOW = 8192,
    WINDOW_WORDS = WINDOW / WORD,
    SHARES = 8, // a word of what is dropped is put together by so many threads
    RESOLVE_THREADS = SHARES * WINDOW_WORDS,
};

struct problem {
    const float *boxes;
    const int32_t *groups;
    int64_t count;
    const int32_t *real_count;
    float threshold;
    int64_t max_keep;
};

// Boxes from first on; a row of bits has words. gone has a bit for each box, whether an earlier
// window drops it; NULL in the first.
struct window {
    int64_t first, words;
    uint64_t *drops;
    uint32_t *gone;
};

// How many boxes of the window are there.
static __device__ int64_t boxes_of(const struct problem &p, const struct window &w) {
    int64_t count = (p.real_count ? p.real_count[0] : p.count) - w.first;
    return count < WINDOW ? count : (int64_t)WINDOW;
}

// Whether nothing of the window can be kept.
static __device__ bool is_done(const struct problem &p, const struct window &w,
                               const int32_t *num_kept) {
    return w.first > 0 && (boxes_of(p, w) <= 0 || num_kept[0] >= p.max_keep);
}

static __device__ bool is_finite(float x) {
    return x - x == 0;
}

static __device__ struct box box_at(const struct problem &p, int64_t i) {
    const float *from = p.boxes + 4 * i;
    struct box box = {from[0], from[1], from[2], from[3]};
    struct box empty = {0, 0, 0, 0};
    bool finite = is_finite(box.x1) && is_finite(box.y1) && is_finite(box.x2) && is_finite(box.y2);
    return finite ? box : empty;
}

static __device__ int32_t group_at(const struct problem &p, int64_t i) {
    return p.groups ? p.groups[i] : 0;
}

// Boxes that others are compared with, in shared memory.
template <int SIZE> struct tile {
    struct box boxes[SIZE];
    float areas[SIZE];
    int32_t groups[SIZE];
};

template <int SIZE>
static __device__ void load(struct tile<SIZE> &tile, unsigned at, const struct problem &p,
                            int64_t i) {
    tile.boxes[at] = box_at(p, i);
    tile.areas[at] = box_area(tile.boxes[at]);
    tile.groups[at] = group_at(p, i);
}

template <int SIZE>
static __device__ bool drops_box(const struct tile<SIZE> &tile, unsigned at,
                                 const struct problem &p, struct box box, float area,
                                 int32_t group) {
    return tile.groups[at] == group &&
           box_overlap(tile.boxes[at], tile.areas[at], box, area) > p.threshold;
}

// A block for 256 boxes and 64 others; only the words from a box's own on are written.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    compare_all(struct problem p, struct window w, const int32_t *num_kept) {
    __shared__ struct tile<WORD> others;
    if (is_done(p, w, num_kept)) return;
    int64_t count = boxes_of(p, w);
    int64_t first = (int64_t)blockIdx.x * WORD;
    int64_t i = (int64_t)blockIdx.y * BLOCK_THREADS + threadIdx.x;
    if (first >= count || first + WORD <= (int64_t)blockIdx.y * BLOCK_THREADS) return;
    if (threadIdx.x < WORD && first + threadIdx.x < count)
        load(others, threadIdx.x, p, w.first + first + threadIdx.x);
    __syncthreads();
    if (i >= count || i / WORD > blockIdx.x) return;
    struct box box = box_at(p, w.first + i);
    float area = box_area(box);
    int32_t group = group_at(p, w.first + i);
    unsigned begin = first > i ? 0 : (unsigned)(i - first) + 1; // those behind the box
    unsigned end = count - first < WORD ? (unsigned)(count - first) : (unsigned)WORD;
    uint64_t bits = 0;
    for (unsigned k = begin; k < end; k++)
        if (drops_box(others, k, p, box, area, group)) bits |= (uint64_t)1 << k;
    w.drops[i * w.words + blockIdx.x] = bits;
}

// A thread for each box of a window that is not the first.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    compare_kept(struct problem p, struct window w, const int32_t *kept, const int32_t *num_kept) {
    __shared__ struct tile<BLOCK_THREADS> others;
    if (is_done(p, w, num_kept)) return;
    int64_t i = global_index();
    struct box box = {0, 0, 0, 0};
    float area = 0;
    int32_t group = 0;
    bool there = i < boxes_of(p, w);
    bool dropped = false;
    if (there) {
        box = box_at(p, w.first + i);
        area = box_area(box);
        group = group_at(p, w.first + i);
    }
    for (int32_t begin = 0; begin < num_kept[0]; begin += BLOCK_THREADS) {
        int32_t at = begin + (int32_t)threadIdx.x;
        if (at < num_kept[0]) load(others, threadIdx.x, p, kept[at]);
        __syncthreads();
        for (unsigned k = 0; there && k < BLOCK_THREADS && begin + (int32_t)k < num_kept[0]; k++)
            dropped |= drops_box(others, k, p, box, area, group);
        __syncthreads();
    }
    unsigned bits = __ballot_sync(0xffffffffu, dropped);
    if (there && threadIdx.x % 32 == 0) w.gone[i / 32] = bits;
}

// Which of 64 boxes stay, of which left are not dropped yet; own says what they drop of each other.
// Appends them to kept[taken].
static __device__ uint64_t choose(uint64_t left, const uint64_t *own, int64_t first,
                                  int64_t max_keep, int32_t *kept, int64_t *taken) {
    uint64_t survivors = 0;
    int64_t number = *taken;
    while (left && number < max_keep) {
        int i = __ffsll((long long)left) - 1;
        survivors |= (uint64_t)1 << i;
        left &= ~((uint64_t)1 << i | own[i]);
        kept[number++] = (int32_t)(first + i);
    }
    *taken = number;
    return survivors;
}

// What a thread's box of the 64 of a word drops of those 64.
static __device__ uint64_t own_word(const struct window &w, int64_t word, int64_t count) {
    int64_t i = word * WORD + threadIdx.x;
    return threadIdx.x < WORD && i < count ? w.drops[i * w.words + word] : 0;
}

// What a share of the survivors among a word's boxes drops of those of another word, column.
static __device__ uint64_t dropped_by(const struct window &w, int64_t word, uint64_t survivors,
                                      unsigned share, unsigned column) {
    enum { EACH = WORD / SHARES };
    uint64_t words[EACH]; // all are read before any is waited for
    uint64_t bits = 0;
    for (unsigned i = 0; i < EACH; i++) {
        unsigned box = i * SHARES + share;
        bool kept = survivors >> box & 1;
        words[i] = kept ? w.drops[(word * WORD + box) * w.words + column] : 0;
    }
    for (unsigned i = 0; i < EACH; i++)
        bits |= words[i];
    return bits;
}

// One block; each thread has its share of one word of what is dropped.
static __global__ void __launch_bounds__(RESOLVE_THREADS)
    resolve(struct problem p, struct window w, int32_t *kept, int32_t *num_kept) {
    __shared__ uint64_t own[WORD];
    __shared__ uint64_t shares[SHARES];
    __shared__ uint64_t survivors; // of the 64 at hand
    __shared__ int64_t taken;
    if (is_done(p, w, num_kept)) return;
    int64_t count = boxes_of(p, w);
    unsigned column = threadIdx.x % WINDOW_WORDS;
    unsigned share = threadIdx.x / WINDOW_WORDS;
    uint64_t dropped = 0;
    for (unsigned half = 0; w.gone && share == 0 && half < 2; half++)
        if (column * WORD + half * 32 < count)
            dropped |= (uint64_t)w.gone[2 * column + half] << 32 * half;
    if (threadIdx.x == 0) taken = w.first > 0 ? num_kept[0] : 0;
    uint64_t next = own_word(w, 0, count);
    for (int64_t word = 0; word * WORD < count; word++) {
        if (column == word) shares[share] = dropped;
        if (threadIdx.x < WORD) own[threadIdx.x] = next;
        __syncthreads();
        if (threadIdx.x == 0) {
            int64_t size = count - word * WORD;
            uint64_t left = size < WORD ? ((uint64_t)1 << size) - 1 : UINT64_MAX;
            for (unsigned i = 0; i < SHARES; i++)
                left &= ~shares[i];
            survivors = choose(left, own, w.first + word * WORD, p.max_keep, kept, &taken);
        }
        next = own_word(w, word + 1, count);
        __syncthreads();
        if (taken >= p.max_keep) break;
        if (column > word && column * WORD < count)
            dropped |= dropped_by(w, word, survivors, share, column);
    }
    if (threadIdx.x == 0) num_kept[0] = (int32_t)taken;
}

void cuda_nms(struct nn *nn, const float *boxes, const int32_t *groups, int64_t count,
              const int32_t *real_count, float threshold, int64_t max_keep, int32_t *kept,
              int32_t *num_kept) {
    if (count == 0) {
        cuda_zero(nn, num_kept, sizeof *num_kept);
        return;
    }
    struct problem p = {boxes, groups, count, real_count, threshold, max_keep};
    int64_t most = count < WINDOW ? count : (int64_t)WINDOW;
    int64_t words = (most + WORD - 1) / WORD;
    float *memory = nn_scratch(nn, 2 * most * words + 2 * words);
    struct window w = {0, words, (uint64_t *)(void *)memory, NULL};
    for (; w.first < count; w.first += WINDOW) {
        int64_t size = count - w.first < most ? count - w.first : most;
        unsigned columns = blocks_for(size, WORD);
        unsigned rows = blocks_for(size, BLOCK_THREADS);
        if (w.first > 0) {
            w.gone = (uint32_t *)(void *)(w.drops + most * words);
            LAUNCH(nn, compare_kept, rows, BLOCK_THREADS, 0, p, w, (const int32_t *)kept,
                   (const int32_t *)num_kept);
        }
        LAUNCH(nn, compare_all, dim3(columns, rows), BLOCK_THREADS, 0, p, w,
               (const int32_t *)num_kept);
        LAUNCH(nn, resolve, 1, RESOLVE_THREADS, 0, p, w, kept, num_kept);
    }
    nn_scratch_free(nn, memory);
}

void cuda_nms_forward(struct nn *nn, struct call *base) {
    const struct nms_call *call = (const struct nms_call *)base;
    struct operands o = {.nn = nn};
    int32_t num_kept = 0;
    const float *boxes = operand_in(&o, call->boxes, 4 * call->count);
    const int32_t *groups = operand_in(&o, call->groups, call->count);
    int32_t *kept = operand_out(&o, call->kept->items, call->kept->count);
    int32_t *device_count = operand_out(&o, &num_kept, 1);
    if (!nn_failed(nn))
        cuda_nms(nn, boxes, groups, call->count, NULL, call->threshold, call->max_keep, kept,
                 device_count);
    operands_end(&o);
    call->kept->count = num_kept;
}
