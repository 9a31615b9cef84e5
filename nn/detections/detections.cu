// Detections on CUDA. For each image: every class of every proposal that passes gets a key, the
// keys are sorted, the boxes decoded in that order and thinned out by class.

#include <vector>

#include "nn/nms/nms_cuda.h"
#include "nn/top_k/top_k_cuda.h"

extern "C" {
#include "nn/detections/detections_call.h"
#include "nn/softmax/softmax_math.h"
}

enum { ROW_THREADS = 32 }; // few rows, so that they spread

// What kernels see. A number of a pair is proposal x classes + class.
struct view {
    const float *logits, *deltas, *proposals;
    const int32_t *images;        // of the proposals
    const struct extent *extents; // of the images
    int64_t count, classes;
    struct box_coding coding;
    float score_threshold, min_side;
    struct softmax_row *rows; // [count]
};

static __device__ void decode_pair(const struct view &v, int64_t pair, float box[4]) {
    int64_t proposal = pair / v.classes;
    box_decode(v.proposals + 4 * proposal, v.deltas + 4 * pair, &v.coding, box);
    box_clip(box, v.extents[v.images[proposal]]);
}

static __global__ void __launch_bounds__(ROW_THREADS) sum_rows(struct view v) {
    int64_t i = global_index();
    if (i < v.count) v.rows[i] = softmax_row_of(v.logits + i * v.classes, v.classes);
}

static __device__ float score_of(const struct view &v, int64_t pair) {
    return softmax_of(v.rows[pair / v.classes], v.logits[pair]);
}

// Whether a pair of the image is a detection before suppression.
static __device__ bool passes(const struct view &v, int64_t pair, int32_t image) {
    float box[4];
    if (pair >= v.count * v.classes || pair % v.classes == 0) return false;
    if (v.images[pair / v.classes] != image) return false;
    if (!(score_of(v, pair) > v.score_threshold)) return false;
    decode_pair(v, pair, box);
    return box_is_large(box, v.min_side);
}

// A thread for each pair. Without keys the pairs of the image are counted, with them they are
// written, too, in any order. A warp adds once to the count.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    find_pairs(struct view v, int32_t image, uint64_t *keys, int32_t *count) {
    int64_t pair = global_index();
    unsigned lane = threadIdx.x % 32;
    bool found = passes(v, pair, image);
    unsigned all = __ballot_sync(0xffffffffu, found);
    int32_t begin = 0;
    if (lane == 0 && all) begin = atomicAdd(count, __popc(all));
    begin = __shfl_sync(0xffffffffu, begin, 0);
    if (keys && found)
        keys[begin + __popc(all & ((1u << lane) - 1))] = score_key(score_of(v, pair), pair);
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

// The kept ones, behind those of the images before; num_kept[images].
static __global__ void __launch_bounds__(BLOCK_THREADS)
    write_list(const uint64_t *keys, const float *boxes, const int32_t *labels, const int32_t *kept,
               const int32_t *num_kept, int32_t image, struct lists out) {
    int64_t i = global_index();
    if (i >= num_kept[image]) return;
    int64_t at = i;
    for (int32_t before = 0; before < image; before++)
        at += num_kept[before];
    int32_t from = kept[i];
    for (int j = 0; j < 4; j++)
        out.boxes[4 * at + j] = boxes[4 * from + j];
    out.scores[at] = score_of_key(keys[from]);
    out.labels[at] = labels[from];
    out.images[at] = image;
    out.levels[at] = 0;
}

// Sorts, decodes, thins out and writes the count pairs of an image. counts[image] is zero.
static void select_best(struct nn *nn, const struct detections *d, const struct view &v,
                        int32_t image, int64_t count, int32_t *counts, int32_t *num_kept,
                        struct lists out) {
    float *key_memory = nn_scratch(nn, 2 * sort_capacity(count));
    float *memory = nn_scratch(nn, 6 * count);
    int64_t most = count < d->max_detections ? count : d->max_detections;
    uint64_t *keys = (uint64_t *)(void *)key_memory;
    int32_t *labels = (int32_t *)(void *)(memory + 4 * count);
    int32_t *kept = labels + count;
    LAUNCH(nn, find_pairs, blocks_for(v.count * v.classes, BLOCK_THREADS), BLOCK_THREADS, 0, v,
           image, keys, counts + image);
    if (!nn_failed(nn)) cuda_sort(nn, keys, count);
    LAUNCH(nn, decode, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, v,
           (const uint64_t *)keys, count, memory, labels);
    if (!nn_failed(nn))
        cuda_nms(nn, memory, labels, count, NULL, d->nms_threshold, d->max_detections, kept,
                 num_kept + image);
    LAUNCH(nn, write_list, blocks_for(most, BLOCK_THREADS), BLOCK_THREADS, 0,
           (const uint64_t *)keys, (const float *)memory, (const int32_t *)labels,
           (const int32_t *)kept, (const int32_t *)num_kept, image, out);
    nn_scratch_free(nn, memory);
    nn_scratch_free(nn, key_memory);
}

// Waits for as many numbers on the device; returns their sum, 0 after a failure.
static int64_t fetch(struct nn *nn, const int32_t *numbers, std::vector<int32_t> &host) {
    int64_t sum = 0;
    cuda_copy(nn, host.data(), numbers, (int64_t)(host.size() * sizeof host[0]));
    cuda_wait(nn);
    for (int32_t number : host)
        sum += number;
    return nn_failed(nn) ? 0 : sum;
}

// Returns how many boxes remain. The size of what follows hangs by the number of pairs, so it is
// waited for.
static int64_t select_all(struct nn *nn, const struct detections *d, const struct view &v,
                          struct lists out) {
    int64_t n = d->num_images;
    int32_t *counts = (int32_t *)(void *)nn_scratch(nn, 2 * n);
    int32_t *num_kept = counts + n;
    std::vector<int32_t> host((size_t)n);
    int64_t sum = 0;
    cuda_zero(nn, counts, 2 * n * (int64_t)sizeof *counts);
    LAUNCH(nn, sum_rows, blocks_for(v.count, ROW_THREADS), ROW_THREADS, 0, v);
    for (int64_t image = 0; image < n; image++)
        LAUNCH(nn, find_pairs, blocks_for(v.count * v.classes, BLOCK_THREADS), BLOCK_THREADS, 0, v,
               (int32_t)image, (uint64_t *)NULL, counts + image);
    if (fetch(nn, counts, host) > 0 && d->max_detections > 0) {
        cuda_zero(nn, counts, n * (int64_t)sizeof *counts);
        for (int64_t image = 0; image < n; image++)
            if (host[(size_t)image])
                select_best(nn, d, v, (int32_t)image, host[(size_t)image], counts, num_kept, out);
        sum = fetch(nn, num_kept, host);
    }
    nn_scratch_free(nn, counts);
    return sum;
}

void cuda_detections_forward(struct nn *nn, struct call *base) {
    struct detections_call *call = (struct detections_call *)base;
    const struct detections *d = call->detections;
    struct box_list *list = call->list;
    int64_t capacity = d->num_images * d->max_detections;
    int64_t count = d->proposals->count;
    struct operands o = {.nn = nn};
    struct view v = {};
    list->count = 0;
    if (count == 0) return;
    v.logits = d->logits->data;
    v.deltas = d->deltas->data;
    v.proposals = operand_in(&o, d->proposals->boxes, 4 * count);
    v.images = operand_in(&o, d->proposals->images, count);
    v.extents = operand_in(&o, d->extents, d->num_images);
    v.count = count;
    float *rows = nn_scratch(nn, count * (int64_t)(sizeof *v.rows / sizeof *rows));
    v.rows = (struct softmax_row *)(void *)rows;
    v.classes = d->logits->c;
    v.coding = d->coding;
    v.score_threshold = d->score_threshold;
    v.min_side = d->min_side;
    struct lists out = {
        operand_out(&o, list->boxes, 4 * capacity), operand_out(&o, list->scores, capacity),
        operand_out(&o, list->images, capacity), operand_out(&o, list->labels, capacity),
        operand_out(&o, list->levels, capacity)};
    if (!nn_failed(nn)) list->count = select_all(nn, d, v, out);
    nn_scratch_free(nn, rows);
    operands_end(&o);
}
