// Detections on CUDA. Every class of every proposal that passes gets a score, and of each image the
// best are chosen, sorted, decoded in that order and thinned out by class, all images side by side.
// A few times as many as are asked for do almost always; where too few of them are left, all that
// pass are taken.

#include <vector>

#include "nn/nms/nms_cuda.h"
#include "nn/softmax/softmax_cuda.h"
#include "nn/top_k/top_k_cuda.h"

extern "C" {
#include "nn/detections/detections_call.h"
}

enum {
    WARP = 32,
    ROW_THREADS = 128,       // a warp for each proposal
    FIRST_BEST = SORT_CHUNK, // of an image, which one block sorts
};

static const float NOT_THERE = -1; // the score of what does not pass; all others are larger

// What kernels see. A number of a pair is proposal x classes + class.
struct pair_view {
    const float *logits, *deltas, *proposals;
    const int32_t *images;        // of the proposals
    const struct extent *extents; // of the images
    int64_t count, classes, num_images;
    struct box_coding coding;
    float score_threshold, min_side;
    float *scores;   // [count, classes]
    int32_t *found;  // [images]: pairs that pass
    int32_t *begins; // [images + 1]: proposals of each, one image's behind the other's
};

static __device__ void decode_pair(const struct pair_view &v, int64_t pair, float box[4]) {
    int64_t proposal = pair / v.classes;
    box_decode(v.proposals + 4 * proposal, v.deltas + 4 * pair, &v.coding, box);
    box_clip(box, v.extents[v.images[proposal]]);
}

// Where the images begin whose first proposal this would be, or whose end is behind it.
static __device__ void write_begins(const struct pair_view &v, int64_t proposal) {
    int32_t before = proposal > 0 ? v.images[proposal - 1] : -1;
    for (int32_t image = before + 1; image <= v.images[proposal]; image++)
        v.begins[image] = (int32_t)proposal;
    if (proposal + 1 < v.count) return;
    for (int64_t image = v.images[proposal] + 1; image <= v.num_images; image++)
        v.begins[image] = (int32_t)v.count;
}

// A warp for each proposal.
static __global__ void __launch_bounds__(ROW_THREADS) score_pairs(struct pair_view v) {
    int64_t proposal = global_index() / WARP;
    unsigned lane = threadIdx.x % WARP;
    if (proposal >= v.count) return;
    const float *logits = v.logits + proposal * v.classes;
    struct softmax_row row = softmax_row_of_warp(logits, v.classes);
    int found = 0;
    for (int64_t label = lane; label < v.classes; label += WARP) {
        int64_t pair = proposal * v.classes + label;
        float score = softmax_of(row, logits[label]);
        bool passes = label > 0 && score > v.score_threshold;
        if (passes) {
            float box[4];
            decode_pair(v, pair, box);
            passes = box_is_large(box, v.min_side);
        }
        v.scores[pair] = passes ? score : NOT_THERE;
        found += passes;
    }
    for (int by = WARP / 2; by > 0; by /= 2)
        found += __shfl_xor_sync(0xffffffffu, found, by);
    if (lane > 0) return;
    if (found > 0) atomicAdd(&v.found[v.images[proposal]], found);
    write_begins(v, proposal);
}

// The best pairs of each image.
struct pair_lists {
    int64_t each;
    uint64_t *keys;  // [images, each]; their indices count from an image's first pair
    float *boxes;    // [images, each, 4], sorted like the next
    int32_t *labels; // [images, each]
    int32_t *counts; // [images]
    int32_t *kept;   // [images, each]
};

// A thread for each key. blockIdx.y is the image.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    decode(struct pair_view v, struct pair_lists lists) {
    int64_t i = global_index();
    int64_t image = blockIdx.y;
    int64_t count = v.found[image] < lists.each ? v.found[image] : lists.each;
    int64_t at = image * lists.each + i;
    if (i == 0) lists.counts[image] = (int32_t)count;
    if (i >= count) return;
    int64_t pair = v.begins[image] * v.classes + (int64_t)(lists.keys[at] & UINT32_MAX);
    decode_pair(v, pair, lists.boxes + 4 * at);
    lists.labels[at] = (int32_t)(pair % v.classes);
}

struct detection_places {
    float *boxes, *scores;
    int32_t *images, *labels, *levels;
};

// The kept ones, behind those of the images before; num_kept[images].
static __global__ void __launch_bounds__(BLOCK_THREADS)
    write_list(struct pair_lists lists, const int32_t *num_kept, struct detection_places out) {
    int64_t i = global_index();
    int64_t image = blockIdx.y;
    if (i >= num_kept[image]) return;
    int64_t at = i;
    for (int64_t before = 0; before < image; before++)
        at += num_kept[before];
    int64_t from = image * lists.each + lists.kept[image * lists.each + i];
    for (int j = 0; j < 4; j++)
        out.boxes[4 * at + j] = lists.boxes[4 * from + j];
    out.scores[at] = score_of_key(lists.keys[from]);
    out.labels[at] = lists.labels[from];
    out.images[at] = (int32_t)image;
    out.levels[at] = 0;
}

// Of each image as many of the best pairs as each, or all that pass: sorts, decodes, thins out and
// writes them.
static void select_best(struct nn *nn, const struct detections *d, const struct pair_view &v,
                        int64_t each, int32_t *num_kept, struct detection_places out) {
    enum { FLOATS_EACH = 2 + 2 + 4 + 1 + 1 };
    int64_t images = v.num_images;
    int64_t slots = images * each;
    float *memory = nn_scratch(nn, FLOATS_EACH * slots + images);
    struct pair_lists lists = {each, (uint64_t *)(void *)memory};
    uint64_t *spare = lists.keys + slots;
    lists.boxes = (float *)(void *)(spare + slots);
    lists.labels = (int32_t *)(void *)(lists.boxes + 4 * slots);
    lists.kept = lists.labels + slots;
    lists.counts = lists.kept + slots;
    struct selections selections = {};
    selections.of[0] = {v.scores, v.count * v.classes, each, 0};
    selections.number = 1;
    selections.images = images;
    selections.begins = v.begins;
    selections.unit = v.classes;
    cuda_select(nn, &selections, lists.keys, each);
    lists.keys = cuda_sort(nn, lists.keys, spare, images, each);
    LAUNCH(nn, decode, dim3(blocks_for(each, BLOCK_THREADS), (unsigned)images), BLOCK_THREADS, 0, v,
           lists);
    struct nms_lists nms = {};
    nms.lists = images;
    nms.each = each;
    nms.boxes = lists.boxes;
    nms.groups = lists.labels;
    nms.counts = lists.counts;
    nms.threshold = d->nms_threshold;
    nms.max_keep = d->max_detections;
    nms.kept = lists.kept;
    nms.num_kept = num_kept;
    cuda_nms(nn, &nms);
    int64_t most = each < d->max_detections ? each : d->max_detections;
    LAUNCH(nn, write_list, dim3(blocks_for(most, BLOCK_THREADS), (unsigned)images), BLOCK_THREADS,
           0, lists, (const int32_t *)num_kept, out);
    nn_scratch_free(nn, memory);
}

// What is known of each image, on the host.
struct tally {
    std::vector<int32_t> found, kept;
};

// Waits for it.
static void fetch(struct nn *nn, const struct pair_view &v, const int32_t *num_kept,
                  struct tally *tally) {
    int64_t bytes = v.num_images * (int64_t)sizeof *num_kept;
    cuda_copy(nn, tally->found.data(), v.found, bytes);
    cuda_copy(nn, tally->kept.data(), num_kept, bytes);
    cuda_wait(nn);
}

// How many of the best must be looked at: 0 if the first so many were enough.
static int64_t needed(const struct tally &tally, int64_t looked_at, int64_t max_detections) {
    int64_t most = 0;
    for (size_t i = 0; i < tally.found.size(); i++)
        if (tally.found[i] > looked_at && tally.kept[i] < max_detections && tally.found[i] > most)
            most = tally.found[i];
    return most;
}

// Returns how many boxes remain.
static int64_t select_all(struct nn *nn, const struct detections *d, struct pair_view v,
                          struct detection_places out) {
    int64_t n = d->num_images;
    int64_t pairs = v.count * v.classes;
    struct tally tally = {std::vector<int32_t>((size_t)n), std::vector<int32_t>((size_t)n)};
    float *memory = nn_scratch(nn, pairs + 3 * n + 1);
    v.scores = memory;
    v.found = (int32_t *)(void *)(memory + pairs);
    v.begins = v.found + n;
    int32_t *num_kept = v.begins + n + 1;
    cuda_zero(nn, v.found, n * (int64_t)sizeof *v.found);
    LAUNCH(nn, score_pairs, blocks_for(v.count, ROW_THREADS / WARP), ROW_THREADS, 0, v);
    int64_t each = pairs < FIRST_BEST ? pairs : (int64_t)FIRST_BEST;
    while (each > 0 && !nn_failed(nn)) {
        select_best(nn, d, v, each, num_kept, out);
        fetch(nn, v, num_kept, &tally);
        each = needed(tally, each, d->max_detections);
    }
    nn_scratch_free(nn, memory);
    int64_t sum = 0;
    for (int32_t kept : tally.kept)
        sum += kept;
    return nn_failed(nn) ? 0 : sum;
}

void cuda_detections_forward(struct nn *nn, struct call *base) {
    struct detections_call *call = (struct detections_call *)base;
    const struct detections *d = call->detections;
    struct box_list *list = call->list;
    int64_t capacity = d->num_images * d->max_detections;
    int64_t count = d->proposals->count;
    struct operands o = {.nn = nn};
    struct pair_view v = {};
    list->count = 0;
    if (count == 0 || d->max_detections == 0) return;
    v.logits = d->logits->data;
    v.deltas = d->deltas->data;
    v.proposals = operand_in(&o, d->proposals->boxes, 4 * count);
    v.images = operand_in(&o, d->proposals->images, count);
    v.extents = operand_in(&o, d->extents, d->num_images);
    v.count = count;
    v.classes = d->logits->c;
    v.num_images = d->num_images;
    v.coding = d->coding;
    v.score_threshold = d->score_threshold;
    v.min_side = d->min_side;
    struct detection_places out = {
        operand_out(&o, list->boxes, 4 * capacity), operand_out(&o, list->scores, capacity),
        operand_out(&o, list->images, capacity), operand_out(&o, list->labels, capacity),
        operand_out(&o, list->levels, capacity)};
    if (!nn_failed(nn)) list->count = select_all(nn, d, v, out);
    operands_end(&o);
}
