// Detections on CUDA. For each image: every class of every proposal that passes gets a key, the
// keys are sorted, the boxes decoded in that order and thinned out by class.

#include "nn/nms/nms_cuda.h"
#include "nn/top_k/top_k_cuda.h"

extern "C" {
#include "nn/detections/detections_call.h"
#include "nn/softmax/softmax_math.h"
}

// One image, as kernels see it. A number of a pair is proposal x classes + class.
struct view {
    const float *logits, *deltas, *proposals;
    int64_t begin, end, classes; // proposals of the image
    struct box_coding coding;
    struct extent extent;
    float score_threshold, min_side;
};

static __device__ void decode_pair(const struct view &v, int64_t pair, float box[4]) {
    box_decode(v.proposals + 4 * (pair / v.classes), v.deltas + 4 * pair, &v.coding, box);
    box_clip(box, v.extent);
}

// A thread for each proposal; the order of keys does not matter, for they are sorted. With keys
// NULL they are only counted.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    find_pairs(struct view v, uint64_t *keys, int32_t *count) {
    int64_t i = v.begin + global_index();
    if (i >= v.end) return;
    const float *x = v.logits + i * v.classes;
    struct softmax_row row = softmax_row_of(x, v.classes);
    for (int64_t j = 1; j < v.classes; j++) {
        float score = softmax_of(row, x[j]);
        float box[4];
        if (!(score > v.score_threshold)) continue;
        decode_pair(v, i * v.classes + j, box);
        if (!box_is_large(box, v.min_side)) continue;
        int32_t at = atomicAdd(count, 1);
        if (keys) keys[at] = score_key(score, i * v.classes + j);
    }
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    decode(struct view v, const uint64_t *keys, int64_t count, float *boxes, int32_t *labels) {
    int64_t i = global_index();
    if (i >= count) return;
    int64_t pair = (int64_t)(keys[i] & UINT32_MAX);
    decode_pair(v, pair, boxes + 4 * i);
    labels[i] = (int32_t)(pair % v.classes);
}

struct lists {
    float *boxes, *scores;
    int32_t *images, *labels, *levels;
};

static __global__ void __launch_bounds__(BLOCK_THREADS)
    write_list(struct view v, const uint64_t *keys, const float *boxes, const int32_t *labels,
               const int32_t *kept, const int32_t *num_kept, int32_t image, int64_t first,
               struct lists out) {
    int64_t i = global_index();
    if (i >= num_kept[0]) return;
    int64_t at = first + i;
    int32_t from = kept[i];
    int64_t pair = (int64_t)(keys[from] & UINT32_MAX);
    const float *x = v.logits + pair / v.classes * v.classes;
    for (int j = 0; j < 4; j++)
        out.boxes[4 * at + j] = boxes[4 * from + j];
    out.scores[at] = softmax_of(softmax_row_of(x, v.classes), x[pair % v.classes]);
    out.labels[at] = labels[from];
    out.images[at] = image;
    out.levels[at] = 0;
}

// Sorts, decodes, thins out and writes count pairs; returns how many boxes remain.
static int64_t select_best(struct nn *nn, const struct detections *d, const struct view &v,
                           int32_t image, int64_t count, int32_t *counter, int64_t first,
                           struct lists out) {
    float *key_memory = nn_scratch(nn, 2 * sort_capacity(count));
    float *memory = nn_scratch(nn, 6 * count);
    if (nn_failed(nn)) return 0;
    uint64_t *keys = (uint64_t *)(void *)key_memory;
    int32_t *labels = (int32_t *)(void *)(memory + 4 * count);
    int32_t *kept = labels + count;
    unsigned blocks = blocks_for(v.end - v.begin, BLOCK_THREADS);
    cuda_zero(nn, counter, sizeof *counter);
    LAUNCH(nn, find_pairs, blocks, BLOCK_THREADS, 0, v, keys, counter);
    cuda_sort(nn, keys, count);
    LAUNCH(nn, decode, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, v,
           (const uint64_t *)keys, count, memory, labels);
    cuda_nms(nn, memory, labels, count, NULL, d->nms_threshold, d->max_detections, kept, counter);
    LAUNCH(nn, write_list, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, v,
           (const uint64_t *)keys, (const float *)memory, (const int32_t *)labels,
           (const int32_t *)kept, (const int32_t *)counter, image, first, out);
    cuda_wait(nn);
    nn_scratch_free(nn, memory);
    nn_scratch_free(nn, key_memory);
    return counter[0];
}

void cuda_detections_forward(struct nn *nn, struct call *base) {
    struct detections_call *call = (struct detections_call *)base;
    const struct detections *d = call->detections;
    struct box_list *list = call->list;
    int64_t capacity = d->num_images * d->max_detections;
    struct operands o = {.nn = nn};
    struct view v = {};
    v.logits = d->logits->data;
    v.deltas = d->deltas->data;
    v.classes = d->logits->c;
    v.proposals = operand_in(&o, d->proposals->boxes, 4 * d->proposals->count);
    v.coding = d->coding;
    v.score_threshold = d->score_threshold;
    v.min_side = d->min_side;
    struct lists out = {
        operand_out(&o, list->boxes, 4 * capacity), operand_out(&o, list->scores, capacity),
        operand_out(&o, list->images, capacity), operand_out(&o, list->labels, capacity),
        operand_out(&o, list->levels, capacity)};
    int32_t *counter = (int32_t *)(void *)nn_scratch(nn, 1);
    list->count = 0;
    cuda_wait(nn); // the list of proposals is read here
    for (int64_t image = 0; image < d->num_images && !nn_failed(nn); image++) {
        v.begin = v.end;
        while (v.end < d->proposals->count && d->proposals->images[v.end] == image)
            v.end++;
        if (v.begin == v.end) continue;
        v.extent = d->extents[image];
        cuda_zero(nn, counter, sizeof *counter);
        LAUNCH(nn, find_pairs, blocks_for(v.end - v.begin, BLOCK_THREADS), BLOCK_THREADS, 0, v,
               (uint64_t *)NULL, counter);
        cuda_wait(nn);
        int64_t count = nn_failed(nn) ? 0 : counter[0];
        if (count && d->max_detections)
            list->count += select_best(nn, d, v, (int32_t)image, count, counter, list->count, out);
    }
    operands_end(&o);
    nn_scratch_free(nn, counter);
}
