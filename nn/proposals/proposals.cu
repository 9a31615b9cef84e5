// Proposals on CUDA. For each image: the best anchors of all levels are chosen at once, sorted
// together, decoded in that order and thinned out. How many an image has stays on the device until
// the end.

#include <vector>

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
    int64_t begin, end; // of its anchors among those of all levels
};

struct image_view {
    struct level_view levels[PROPOSALS_MAX_LEVELS];
    struct extent extent;
    float min_side;
};

static struct level_view level_of(const struct proposals *p, int index, int64_t image,
                                  int64_t begin) {
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
    view.begin = begin;
    view.end = begin + count;
    return view;
}

static struct image_view view_of(const struct proposals *p, int64_t image) {
    struct image_view view = {};
    int64_t begin = 0;
    for (int i = 0; i < p->num_levels; i++) {
        view.levels[i] = level_of(p, i, image, begin);
        begin = view.levels[i].end;
    }
    view.extent = p->extents[image];
    view.min_side = p->min_side;
    return view;
}

// The level of a key's anchor. The index in a key is that among the anchors of all levels: of equal
// scores the first level's comes first.
static __device__ int32_t level_of_key(const struct image_view &view, uint64_t key) {
    int64_t index = (int64_t)(key & UINT32_MAX);
    int32_t level = 0;
    while (index >= view.levels[level].end)
        level++;
    return level;
}

static __device__ void decode(const struct image_view &view, int32_t level_index, uint64_t key,
                              float box[4]) {
    const struct box_coding coding = {1, 1, 1, 1};
    const struct level_view &level = view.levels[level_index];
    int64_t index = (int64_t)(key & UINT32_MAX) - level.begin;
    float anchor[4];
    anchor_of_cells(level.cells, level.stride_x, level.stride_y, level.width, level.num_anchors,
                    index, anchor);
    box_decode(anchor, level.deltas + 4 * index, &coding, box);
    box_clip(box, view.extent);
}

// What is too small loses its key.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    drop_small(struct image_view view, uint64_t *keys, int64_t slots) {
    int64_t i = global_index();
    if (i >= slots) return;
    float box[4];
    decode(view, level_of_key(view, keys[i]), keys[i], box);
    if (!box_is_large(box, view.min_side)) keys[i] = NO_KEY;
}

// Boxes and levels in the order of the keys, and how many have one.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    decode_sorted(struct image_view view, const uint64_t *keys, int64_t slots, float *boxes,
                  int32_t *levels, int32_t *count) {
    int64_t i = global_index();
    if (i >= slots) return;
    bool there = keys[i] != NO_KEY;
    if (i == 0 && !there) count[0] = 0;
    if (!there) return;
    if (i + 1 == slots || keys[i + 1] == NO_KEY) count[0] = (int32_t)(i + 1);
    levels[i] = level_of_key(view, keys[i]);
    decode(view, levels[i], keys[i], boxes + 4 * i);
}

struct lists {
    float *boxes, *scores;
    int32_t *images, *labels, *levels;
    int64_t each; // places of an image; 0: none are left free
};

// The kept ones, in the image's places or behind those of the images before; counts[n].
static __global__ void __launch_bounds__(BLOCK_THREADS)
    write_list(struct image_view view, const uint64_t *keys, const float *boxes,
               const int32_t *levels, const int32_t *kept, const int32_t *counts, int32_t image,
               struct lists out) {
    int64_t i = global_index();
    if (i >= counts[image]) return;
    int64_t at = i + image * out.each;
    for (int32_t before = 0; before < image && !out.each; before++)
        at += counts[before];
    int32_t from = kept[i];
    for (int j = 0; j < 4; j++)
        out.boxes[4 * at + j] = boxes[4 * from + j];
    const struct level_view &level = view.levels[levels[from]];
    out.scores[at] = level.logits[(int64_t)(keys[from] & UINT32_MAX) - level.begin];
    out.images[at] = image;
    out.labels[at] = 0;
    out.levels[at] = 0;
}

// Memory for one image at a time.
struct workspace {
    uint64_t *keys; // with room for sorting
    float *boxes;   // [slots, 4], sorted
    int32_t *levels, *kept, *count;
    float *memory;
};

static struct workspace create(struct nn *nn, int64_t slots) {
    int64_t sorted = sort_capacity(slots);
    struct workspace w = {};
    w.memory = nn_scratch(nn, 2 * sorted + 4 * slots + slots + slots + 1);
    w.keys = (uint64_t *)(void *)w.memory;
    w.boxes = (float *)(void *)(w.keys + sorted);
    w.levels = (int32_t *)(void *)(w.boxes + 4 * slots);
    w.kept = w.levels + slots;
    w.count = w.kept + slots;
    return w;
}

// Returns how many keys the levels' best anchors fill.
static int64_t select_anchors(struct nn *nn, const struct proposals *p,
                              const struct image_view &view, uint64_t *keys) {
    struct selection selections[PROPOSALS_MAX_LEVELS];
    int number = 0;
    int64_t slots = 0;
    for (int i = 0; i < p->num_levels; i++) {
        const struct level_view &level = view.levels[i];
        int64_t count = level.end - level.begin;
        int64_t k = count < p->pre_nms ? count : p->pre_nms;
        if (k == 0) continue;
        selections[number++] = {level.logits, count, k, level.begin, keys + slots};
        slots += k;
    }
    cuda_select(nn, selections, number);
    return slots;
}

static void select_image(struct nn *nn, const struct proposals *p, int64_t image,
                         const struct workspace *w, int32_t *counts, struct lists out) {
    struct image_view view = view_of(p, image);
    int64_t slots = select_anchors(nn, p, view, w->keys);
    if (slots == 0 || p->post_nms == 0) {
        cuda_zero(nn, counts + image, sizeof *counts);
        return;
    }
    unsigned blocks = blocks_for(slots, BLOCK_THREADS);
    LAUNCH(nn, drop_small, blocks, BLOCK_THREADS, 0, view, w->keys, slots);
    cuda_sort(nn, w->keys, slots);
    LAUNCH(nn, decode_sorted, blocks, BLOCK_THREADS, 0, view, (const uint64_t *)w->keys, slots,
           w->boxes, w->levels, w->count);
    cuda_nms(nn, w->boxes, w->levels, slots, w->count, p->nms_threshold, p->post_nms, w->kept,
             counts + image);
    LAUNCH(nn, write_list, blocks_for(p->post_nms, BLOCK_THREADS), BLOCK_THREADS, 0, view,
           (const uint64_t *)w->keys, (const float *)w->boxes, (const int32_t *)w->levels,
           (const int32_t *)w->kept, (const int32_t *)counts, (int32_t)image, out);
}

void cuda_proposals_forward(struct nn *nn, struct call *base) {
    struct proposals_call *call = (struct proposals_call *)base;
    const struct proposals *p = call->proposals;
    struct box_list *list = call->list;
    int64_t n = p->levels[0].logits->n;
    int64_t capacity = list->each ? list->count : n * p->post_nms;
    if (!list->each) list->count = 0;
    struct workspace w = create(nn, p->num_levels * p->pre_nms);
    std::vector<int32_t> num_kept((size_t)n);
    struct operands o = {.nn = nn};
    int32_t *counts = operand_out(&o, list->each ? list->counts : num_kept.data(), n);
    struct lists out = {
        operand_out(&o, list->boxes, 4 * capacity), operand_out(&o, list->scores, capacity),
        operand_out(&o, list->images, capacity),    operand_out(&o, list->labels, capacity),
        operand_out(&o, list->levels, capacity),    list->each};
    for (int64_t image = 0; image < n && !nn_failed(nn); image++)
        select_image(nn, p, image, &w, counts, out);
    operands_end(&o);
    nn_scratch_free(nn, w.memory);
    for (int64_t image = 0; image < n && !nn_failed(nn) && !list->each; image++)
        list->count += num_kept[(size_t)image];
}
