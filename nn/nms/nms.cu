// Every pair of boxes is compared at once; a bit tells which later boxes a box would drop. Then one
// block goes through the boxes, 64 at a time: one thread decides among those 64, and all threads
// together mark what the kept ones drop.

#include "nn/nms/nms_cuda.h"

extern "C" {
#include "nn/box_math.h"
#include "nn/nms/nms.h"
}

enum { WORD = 64, RESOLVE_THREADS = 256 };

struct problem {
    const float *boxes;
    const int32_t *groups;
    int64_t count, words;
    const int32_t *real_count;
    float threshold;
    int64_t max_keep;
};

static __device__ int64_t boxes_of(const struct problem &p) {
    return p.real_count ? p.real_count[0] : p.count;
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

// drops[count, words]; a block for 64 boxes and 64 later ones, whose first is in it.
static __global__ void __launch_bounds__(WORD) compare_all(struct problem p, uint64_t *drops) {
    __shared__ struct box others[WORD];
    __shared__ int32_t groups[WORD];
    int64_t count = boxes_of(p);
    int64_t first = (int64_t)blockIdx.x * WORD;
    int64_t i = (int64_t)blockIdx.y * WORD + threadIdx.x;
    if (blockIdx.x < blockIdx.y) return;
    if (first + threadIdx.x < count) {
        others[threadIdx.x] = box_at(p, first + threadIdx.x);
        groups[threadIdx.x] = p.groups ? p.groups[first + threadIdx.x] : 0;
    }
    __syncthreads();
    if (i >= count) return;
    struct box box = box_at(p, i);
    float area = box_area(box);
    int32_t group = p.groups ? p.groups[i] : 0;
    uint64_t bits = 0;
    for (int64_t k = 0; k < WORD && first + k < count; k++) {
        if (first + k <= i || groups[k] != group) continue;
        if (box_overlap(box, area, others[k], box_area(others[k])) > p.threshold)
            bits |= (uint64_t)1 << k;
    }
    drops[i * p.words + blockIdx.x] = bits;
}

// One block; dynamic shared memory: a bit for each box, whether it was dropped.
static __global__ void __launch_bounds__(RESOLVE_THREADS)
    resolve(struct problem p, const uint64_t *drops, int32_t *kept, int32_t *num_kept) {
    GPU_DYNAMIC_SHARED(uint64_t, dropped);
    __shared__ uint64_t survivors; // of the 64 at hand
    __shared__ int64_t taken;
    int64_t count = boxes_of(p);
    for (int64_t w = threadIdx.x; w < p.words; w += blockDim.x)
        dropped[w] = 0;
    if (threadIdx.x == 0) taken = 0;
    __syncthreads();
    for (int64_t word = 0; word * WORD < count; word++) {
        if (threadIdx.x == 0) {
            survivors = 0;
            uint64_t gone = dropped[word];
            for (int64_t i = word * WORD; i < count && i < (word + 1) * WORD; i++) {
                if (gone >> i % WORD & 1 || taken == p.max_keep) continue;
                gone |= drops[i * p.words + word];
                survivors |= (uint64_t)1 << i % WORD;
                kept[taken++] = (int32_t)i;
            }
        }
        __syncthreads();
        for (int64_t w = word + 1 + threadIdx.x; w < p.words; w += blockDim.x)
            for (uint64_t left = survivors; left; left &= left - 1)
                dropped[w] |= drops[(word * WORD + __ffsll((long long)left) - 1) * p.words + w];
        __syncthreads();
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
    int64_t words = (count + WORD - 1) / WORD;
    struct problem p = {boxes, groups, count, words, real_count, threshold, max_keep};
    float *memory = nn_scratch(nn, 2 * count * words);
    uint64_t *drops = (uint64_t *)(void *)memory;
    LAUNCH(nn, compare_all, dim3((unsigned)words, (unsigned)words), WORD, 0, p, drops);
    LAUNCH(nn, resolve, 1, RESOLVE_THREADS, (size_t)words * sizeof *drops, p,
           (const uint64_t *)drops, kept, num_kept);
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
