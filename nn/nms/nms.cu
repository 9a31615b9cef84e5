// Boxes are taken in windows. Within one, every pair of boxes is compared at once; a bit tells by
// which earlier boxes a box would be dropped. Then one block goes through the window, 64 boxes at a
// time: all threads together find out which of them the kept ones drop, and a warp decides among
// those 64. What earlier windows kept drops boxes of a window beforehand. When enough are kept, the
// windows left end at once. Lists go through all this side by side.

#include "nn/nms/nms_cuda.h"

extern "C" {
#include "nn/box_math.h"
#include "nn/nms/nms.h"
}

enum {
    WARP = 32,
    WORD = 64,
    WINDOW = 8192,
    WINDOW_WORDS = WINDOW / WORD,
    SHARES = WARP / 2, // so many threads ask what drops a box
    RESOLVE_THREADS = SHARES * WORD,
    WORDS_EACH = WINDOW_WORDS / SHARES, // of kept boxes, that a thread asks of
};

// One list, as the kernels see it.
struct problem {
    const float *boxes;
    const int32_t *groups;
    int64_t count; // that are there
    int32_t *kept, *num_kept;
    float threshold;
    int64_t max_keep;
};

static __device__ struct problem problem_of(const struct nms_lists &lists) {
    int64_t list = blockIdx.z;
    int64_t first = list * lists.each;
    return {lists.boxes + 4 * first,
            lists.groups ? lists.groups + first : NULL,
            lists.counts ? lists.counts[list] : lists.each,
            lists.kept + first,
            lists.num_kept + list,
            lists.threshold,
            lists.max_keep};
}

// Boxes from first on. A box has a row of words, and in each a bit for each box that drops it. gone
// has a bit for each box, whether an earlier window drops it.
struct window {
    int64_t first, size, words;
    uint64_t *dropped_by; // [lists, size, words]
    uint32_t *gone;       // [lists, 2 words]; NULL in the first window
};

static __device__ uint64_t *rows_of(const struct window &w) {
    return w.dropped_by + blockIdx.z * w.size * w.words;
}

static __device__ uint32_t *gone_of(const struct window &w) {
    return w.gone + blockIdx.z * 2 * w.words;
}

// How many boxes of the window are there.
static __device__ int64_t boxes_of(const struct problem &p, const struct window &w) {
    int64_t count = p.count - w.first;
    return count < w.size ? count : w.size;
}

// Whether nothing of the window can be kept.
static __device__ bool is_done(const struct problem &p, const struct window &w) {
    return w.first > 0 && (boxes_of(p, w) <= 0 || p.num_kept[0] >= p.max_keep);
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

// A block for 256 boxes and 64 others; only the words up to a box's own are written.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    compare_all(struct nms_lists lists, struct window w) {
    __shared__ struct tile<WORD> others;
    struct problem p = problem_of(lists);
    if (is_done(p, w)) return;
    int64_t count = boxes_of(p, w);
    int64_t first = (int64_t)blockIdx.x * WORD;
    int64_t i = (int64_t)blockIdx.y * BLOCK_THREADS + threadIdx.x;
    if (first >= count || first >= ((int64_t)blockIdx.y + 1) * BLOCK_THREADS) return;
    if (threadIdx.x < WORD && first + threadIdx.x < count)
        load(others, threadIdx.x, p, w.first + first + threadIdx.x);
    __syncthreads();
    if (i >= count || first > i) return;
    struct box box = box_at(p, w.first + i);
    float area = box_area(box);
    int32_t group = group_at(p, w.first + i);
    unsigned end = i - first < WORD ? (unsigned)(i - first) : (unsigned)WORD; // those before it
    uint64_t bits = 0;
    for (unsigned k = 0; k < end; k++)
        if (drops_box(others, k, p, box, area, group)) bits |= (uint64_t)1 << k;
    rows_of(w)[i * w.words + blockIdx.x] = bits;
}

// A thread for each box of a window that is not the first.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    compare_kept(struct nms_lists lists, struct window w) {
    __shared__ struct tile<BLOCK_THREADS> others;
    struct problem p = problem_of(lists);
    if (is_done(p, w)) return;
    int64_t i = global_index();
    int32_t num_kept = p.num_kept[0];
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
    for (int32_t begin = 0; begin < num_kept; begin += BLOCK_THREADS) {
        int32_t at = begin + (int32_t)threadIdx.x;
        if (at < num_kept) load(others, threadIdx.x, p, p.kept[at]);
        __syncthreads();
        for (unsigned k = 0; there && k < BLOCK_THREADS && begin + (int32_t)k < num_kept; k++)
            dropped |= drops_box(others, k, p, box, area, group);
        __syncthreads();
    }
    unsigned bits = __ballot_sync(0xffffffffu, dropped);
    if (there && threadIdx.x % WARP == 0) gone_of(w)[i / WARP] = bits;
}

// Which of a word's boxes a thread asks for, together with others: a warp has two of them, a word's
// half apart, so that a lane gathers what is told of two boxes that far apart, too.
static __device__ int64_t asked_box(int64_t word) {
    return word * WORD + threadIdx.x / WARP + (threadIdx.x % WARP < SHARES ? 0 : WORD / 2);
}

// The words of a box's row before its own that a thread asks of.
struct row_share {
    uint64_t words[WORDS_EACH];
};

static __device__ struct row_share read_share(const struct window &w, int64_t word, int64_t count) {
    struct row_share share;
    int64_t box = asked_box(word);
    for (unsigned k = 0; k < WORDS_EACH; k++) {
        int64_t column = threadIdx.x % SHARES + k * SHARES;
        share.words[k] = column < word && box < count ? rows_of(w)[box * w.words + column] : 0;
    }
    return share;
}

// Whether kept boxes drop the two boxes that the threads of a warp ask for: a bit for each.
static __device__ unsigned ask(const struct row_share &share, const uint64_t *survivors) {
    uint64_t droppers = 0;
    for (unsigned k = 0; k < WORDS_EACH; k++)
        droppers |= share.words[k] & survivors[threadIdx.x % SHARES + k * SHARES];
    unsigned votes = __ballot_sync(0xffffffffu, droppers != 0);
    return (votes & ((1u << SHARES) - 1) ? 1u : 0u) | (votes >> SHARES ? 2u : 0u);
}

// A bit for each of 64 boxes, of which a lane of a warp has two.
static __device__ uint64_t vote(bool low, bool high) {
    uint64_t lows = __ballot_sync(0xffffffffu, low);
    uint64_t highs = __ballot_sync(0xffffffffu, high);
    return highs << (WORD / 2) | lows;
}

// How many of them come before one.
static __device__ int rank_of(uint64_t bits, unsigned index) {
    return __popcll(bits & (((uint64_t)1 << index) - 1));
}

// The first most of them.
static __device__ uint64_t first_bits(uint64_t bits, int64_t most) {
    unsigned lane = threadIdx.x % WARP;
    return bits & vote(rank_of(bits, lane) < most, rank_of(bits, lane + WORD / 2) < most);
}

static __device__ void write_kept(const struct problem &p, uint64_t survivors, int64_t taken,
                                  int64_t first, unsigned index) {
    if (survivors >> index & 1)
        p.kept[taken + rank_of(survivors, index)] = (int32_t)(first + index);
}

// A word's boxes of the window that are there and not gone.
static __device__ uint64_t present(const struct window &w, int64_t word, int64_t count) {
    int64_t size = count - word * WORD;
    uint64_t there = size < WORD ? ((uint64_t)1 << size) - 1 : UINT64_MAX;
    if (!w.gone) return there;
    const uint32_t *gone = gone_of(w) + 2 * word;
    uint64_t high = size > WORD / 2 ? gone[1] : 0;
    return there & ~(high << (WORD / 2) | gone[0]);
}

// What a lane of a warp knows of a word's boxes: which of them would drop each of its two.
struct own_words {
    uint64_t low, high;
};

static __device__ struct own_words read_own(const struct window &w, int64_t word, int64_t count) {
    int64_t box = word * WORD + threadIdx.x % WARP;
    const uint64_t *own = rows_of(w) + box * w.words + word;
    if (threadIdx.x >= WARP) return {0, 0};
    return {box < count ? own[0] : 0, box + WORD / 2 < count ? own[WORD / 2 * w.words] : 0};
}

// Which of 64 boxes stay, of which left are not dropped yet. All that hang by no undecided box are
// decided at once.
static __device__ uint64_t choose(uint64_t left, struct own_words droppers) {
    unsigned lane = threadIdx.x % WARP;
    uint64_t survivors = 0;
    while (left) {
        bool low = left >> lane & 1;
        bool high = left >> (lane + WORD / 2) & 1;
        uint64_t stay = vote(low && !(droppers.low & (left | survivors)),
                             high && !(droppers.high & (left | survivors)));
        uint64_t go = vote(low && (droppers.low & survivors), high && (droppers.high & survivors));
        survivors |= stay;
        left &= ~(stay | go);
    }
    return survivors;
}

// A block for each list. What hangs by memory alone is read a word ahead. survivors has a bit for
// each box of the window.
static __global__ void __launch_bounds__(RESOLVE_THREADS)
    resolve(struct nms_lists lists, struct window w) {
    __shared__ uint64_t survivors[WINDOW_WORDS];
    __shared__ unsigned dropped[WORD / 2];
    __shared__ int64_t taken;
    struct problem p = problem_of(lists);
    if (is_done(p, w)) return;
    int64_t count = boxes_of(p, w);
    unsigned lane = threadIdx.x % WARP;
    if (threadIdx.x < WINDOW_WORDS) survivors[threadIdx.x] = 0;
    if (threadIdx.x == 0) taken = w.first > 0 ? p.num_kept[0] : 0;
    __syncthreads();
    struct row_share next = read_share(w, 0, count);
    struct own_words next_own = read_own(w, 0, count);
    for (int64_t word = 0; word * WORD < count && taken < p.max_keep; word++) {
        struct own_words own = next_own;
        unsigned of_warp = ask(next, survivors);
        if (lane == 0) dropped[threadIdx.x / WARP] = of_warp;
        next = read_share(w, word + 1, count);
        next_own = read_own(w, word + 1, count);
        __syncthreads();
        if (threadIdx.x < WARP) {
            uint64_t left = present(w, word, count) & ~vote(dropped[lane] & 1, dropped[lane] & 2);
            uint64_t stay = first_bits(choose(left, own), p.max_keep - taken);
            write_kept(p, stay, taken, w.first + word * WORD, lane);
            write_kept(p, stay, taken, w.first + word * WORD, lane + WORD / 2);
            __syncwarp();
            if (lane == 0) {
                survivors[word] = stay;
                taken += __popcll(stay);
            }
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) p.num_kept[0] = (int32_t)taken;
}

void cuda_nms(struct nn *nn, const struct nms_lists *lists) {
    if (lists->lists == 0) return;
    if (lists->each == 0 || lists->max_keep == 0) {
        cuda_zero(nn, lists->num_kept, lists->lists * (int64_t)sizeof *lists->num_kept);
        return;
    }
    unsigned number = (unsigned)lists->lists;
    int64_t most = lists->each < WINDOW ? lists->each : (int64_t)WINDOW;
    int64_t words = (most + WORD - 1) / WORD;
    float *memory = nn_scratch(nn, lists->lists * 2 * (most + 1) * words);
    struct window w = {0, most, words, (uint64_t *)(void *)memory, NULL};
    for (; w.first < lists->each; w.first += WINDOW) {
        int64_t size = lists->each - w.first < most ? lists->each - w.first : most;
        unsigned columns = blocks_for(size, WORD);
        unsigned rows = blocks_for(size, BLOCK_THREADS);
        if (w.first > 0) {
            w.gone = (uint32_t *)(void *)(w.dropped_by + lists->lists * most * words);
            LAUNCH(nn, compare_kept, dim3(rows, 1, number), BLOCK_THREADS, 0, *lists, w);
        }
        LAUNCH(nn, compare_all, dim3(columns, rows, number), BLOCK_THREADS, 0, *lists, w);
        LAUNCH(nn, resolve, dim3(1, 1, number), RESOLVE_THREADS, 0, *lists, w);
    }
    nn_scratch_free(nn, memory);
}

void cuda_nms_forward(struct nn *nn, struct call *base) {
    const struct nms_call *call = (const struct nms_call *)base;
    struct operands o = {.nn = nn};
    int32_t num_kept = 0;
    struct nms_lists lists = {};
    lists.lists = 1;
    lists.each = call->count;
    lists.boxes = operand_in(&o, call->boxes, 4 * call->count);
    lists.groups = operand_in(&o, call->groups, call->count);
    lists.threshold = call->threshold;
    lists.max_keep = call->max_keep;
    lists.kept = operand_out(&o, call->kept->items, call->kept->count);
    lists.num_kept = operand_out(&o, &num_kept, 1);
    if (!nn_failed(nn)) cuda_nms(nn, &lists);
    operands_end(&o);
    call->kept->count = num_kept;
}
