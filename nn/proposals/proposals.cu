// Proposals on CUDA. For each image: a block of each level finds the level's best anchors, they are
// decoded, all levels' are sorted together and thinned out. How many an image has stays on the
// device until the end.

#include "nn/nms/nms_cuda.h"
#include "nn/top_k/top_k_cuda.h"

extern "C" {
#include "nn/proposals/proposals_call.h"
}

// One level of one image, as kernels see it.
struct level_view {
    const float *logits, *deltas;
    float stride_x, stride_y;
    int64_t width, num_anchors;
    float cells[PROPOSALS_MAX_ANCHORS][4];
    int index;
    struct extent extent;
    float min_side;
};

static struct level_view view_of(const struct proposals *p, int index, int64_t image) {
    const struct proposal_level *level = &p->levels[index];
    int64_t count = level->logits->h * level->logits->w * p->num_anchors;
    struct level_view view = {};
    view.logits = level->logits->data + image * count;
    view.deltas = level->deltas->data + image * count * 4;
    view.stride_x = level->stride_x;
    view.stride_y = level->stride_y;
    view.width = level->logits->w;
    view.num_anchors = p->num_anchors;
    memcpy(view.cells, level->cells, sizeof view.cells);
    view.index = index;
    view.extent = p->extents[image];
    view.min_side = p->min_side;
    return view;
}

// The boxes of one image before suppression, level after level: those at slots base to base + k are
// of one level. What is too small gets no key.
struct candidates {
    float *boxes;   // [slots, 4]
    uint64_t *keys; // [slots]: score and slot
    float *scores;  // [slots]
    int32_t *levels;
};

static __global__ void __launch_bounds__(BLOCK_THREADS)
    decode(struct level_view level, const uint64_t *best, int64_t k, int64_t base,
           struct candidates c) {
    int64_t i = global_index();
    if (i >= k) return;
    const struct box_coding coding = {1, 1, 1, 1};
    int64_t index = (int64_t)(best[i] & UINT32_MAX);
    int64_t slot = base + i;
    float anchor[4];
    float *box = c.boxes + 4 * slot;
    anchor_of_cells(level.cells, level.stride_x, level.stride_y, level.width, level.num_anchors,
                    index, anchor);
    box_decode(anchor, level.deltas + 4 * index, &coding, box);
    box_clip(box, level.extent);
    float score = level.logits[index];
    c.scores[slot] = score;
    c.levels[slot] = level.index;
    c.keys[slot] = box_is_large(box, level.min_side) ? score_key(score, slot) : NO_KEY;
}

// Boxes and levels in the order of the keys, and how many have one.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    gather(struct candidates c, int64_t slots, float *boxes, int32_t *levels, int32_t *count) {
    int64_t i = global_index();
    if (i >= slots) return;
    bool there = c.keys[i] != NO_KEY;
    if (i == 0 && !there) count[0] = 0;
    if (!there) return;
    if (i + 1 == slots || c.keys[i + 1] == NO_KEY) count[0] = (int32_t)(i + 1);
    int64_t slot = (int64_t)(c.keys[i] & UINT32_MAX);
    for (int j = 0; j < 4; j++)
        boxes[4 * i + j] = c.boxes[4 * slot + j];
    levels[i] = c.levels[slot];
}

struct lists {
    float *boxes, *scores;
    int32_t *images, *labels, *levels;
};

// The kept ones, behind those of the images before; counts[n].
static __global__ void __launch_bounds__(BLOCK_THREADS)
    write_list(struct candidates c, const float *boxes, const int32_t *kept, const int32_t *counts,
               int32_t image, struct lists out) {
    int64_t i = global_index();
    if (i >= counts[image]) return;
    int64_t at = i;
    for (int32_t before = 0; before < image; before++)
        at += counts[before];
    int32_t from = kept[i];
    for (int j = 0; j < 4; j++)
        out.boxes[4 * at + j] = boxes[4 * from + j];
    out.scores[at] = c.scores[c.keys[from] & UINT32_MAX];
    out.images[at] = image;
    out.labels[at] = 0;
    out.levels[at] = 0;
}

// Memory for one image at a time.
struct workspace {
    uint64_t *best; // of a level, with room for sorting
    struct candidates candidates;
    float *boxes; // [slots, 4], sorted
    int32_t *levels, *kept, *count;
    float *memory;
};

static struct workspace create(struct nn *nn, int64_t slots, int64_t pre_nms) {
    int64_t sorted = sort_capacity(slots);
    int64_t best = sort_capacity(pre_nms);
    struct workspace w = {};
    w.memory = nn_scratch(nn, 2 * best + 2 * sorted + 4 * slots + slots + slots + 4 * slots +
                                  slots + slots + 1);
    w.best = (uint64_t *)(void *)w.memory;
    w.candidates.keys = w.best + best;
    w.candidates.boxes = (float *)(void *)(w.candidates.keys + sorted);
    w.candidates.scores = w.candidates.boxes + 4 * slots;
    w.candidates.levels = (int32_t *)(void *)(w.candidates.scores + slots);
    w.boxes = (float *)(void *)(w.candidates.levels + slots);
    w.levels = (int32_t *)(void *)(w.boxes + 4 * slots);
    w.kept = w.levels + slots;
    w.count = w.kept + slots;
    return w;
}

// Returns how many slots the levels fill.
static int64_t decode_levels(struct nn *nn, const struct proposals *p, int64_t image,
                             const struct workspace *w) {
    int64_t slots = 0;
    for (int i = 0; i < p->num_levels; i++) {
        struct level_view view = view_of(p, i, image);
        int64_t count = p->levels[i].logits->h * view.width * p->num_anchors;
        int64_t k = count < p->pre_nms ? count : p->pre_nms;
        if (k == 0) continue;
        cuda_select(nn, view.logits, count, k, w->best);
        LAUNCH(nn, decode, blocks_for(k, BLOCK_THREADS), BLOCK_THREADS, 0, view,
               (const uint64_t *)w->best, k, slots, w->candidates);
        slots += k;
    }
    return slots;
}

static void select_image(struct nn *nn, const struct proposals *p, int64_t image,
                         const struct workspace *w, int32_t *counts, struct lists out) {
    int64_t slots = decode_levels(nn, p, image, w);
    if (slots == 0 || p->post_nms == 0) {
        cuda_zero(nn, counts + image, sizeof *counts);
        return;
    }
    cuda_sort(nn, w->candidates.keys, slots);
    LAUNCH(nn, gather, blocks_for(slots, BLOCK_THREADS), BLOCK_THREADS, 0, w->candidates, slots,
           w->boxes, w->levels, w->count);
    cuda_nms(nn, w->boxes, w->levels, slots, w->count, p->nms_threshold, p->post_nms, w->kept,
             counts + image);
    LAUNCH(nn, write_list, blocks_for(p->post_nms, BLOCK_THREADS), BLOCK_THREADS, 0, w->candidates,
           (const float *)w->boxes, (const int32_t *)w->kept, (const int32_t *)counts,
           (int32_t)image, out);
}

void cuda_proposals_forward(struct nn *nn, struct call *base) {
    struct proposals_call *call = (struct proposals_call *)base;
    const struct proposals *p = call->proposals;
    struct box_list *list = call->list;
    int64_t n = p->levels[0].logits->n;
    int64_t capacity = n * p->post_nms;
    list->count = 0;
    struct workspace w = create(nn, p->num_levels * p->pre_nms, p->pre_nms);
    int32_t *counts = (int32_t *)(void *)nn_scratch(nn, n);
    struct operands o = {.nn = nn};
    struct lists out = {
        operand_out(&o, list->boxes, 4 * capacity), operand_out(&o, list->scores, capacity),
        operand_out(&o, list->images, capacity), operand_out(&o, list->labels, capacity),
        operand_out(&o, list->levels, capacity)};
    for (int64_t image = 0; image < n && !nn_failed(nn); image++)
        select_image(nn, p, image, &w, counts, out);
    cuda_wait(nn);
    for (int64_t image = 0; image < n && !nn_failed(nn); image++)
        list->count += counts[image];
    operands_end(&o);
    nn_scratch_free(nn, counts);
    nn_scratch_free(nn, w.memory);
}
