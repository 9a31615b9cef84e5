// Proposals on CUDA. Each level of each image has a list: its best anchors are chosen, sorted,
// decoded in that order and thinned out, all lists side by side. What is kept then finds its place
// among the other levels' of its image. How many there are stays on the device until the end.

#include <vector>

#include "nn/nms/nms_cuda.h"
#include "nn/top_k/top_k_cuda.h"

extern "C" {
#include "nn/proposals/proposals_call.h"
}

// One level of all images, as kernels see it.
struct level_view {
    const float *logits, *deltas;
    float stride_x, stride_y;
    int64_t width;
    float cells[PROPOSALS_MAX_ANCHORS][4];
    int64_t count; // of an image's anchors
    int64_t begin; // of the level's among an image's anchors of all levels
};

// Images that are looked at in one go: their sizes are a kernel's arguments.
enum { MAX_IMAGES = 16 };

struct image_view {
    struct level_view levels[PROPOSALS_MAX_LEVELS];
    int num_levels;
    int64_t num_anchors, first, images; // from the first one on
    struct extent extents[MAX_IMAGES];
    float min_side;
    int64_t each;     // keys of a list
    int64_t post_nms; // of an image
};

static struct level_view level_of(const struct proposals *p, int index, int64_t image,
                                  int64_t begin) {
    const struct proposal_level *level = &p->levels[index];
    struct level_view view = {};
    view.count = level->logits->h * level->logits->w * p->num_anchors;
    view.logits = level->logits->data + image * view.count;
    view.deltas = level->deltas->data + image * view.count * 4;
    view.stride_x = level->stride_x;
    view.stride_y = level->stride_y;
    view.width = level->logits->w;
    memcpy(view.cells, level->cells, sizeof view.cells);
    view.begin = begin;
    return view;
}

// Of images from first on.
static struct image_view view_of(const struct proposals *p, int64_t first) {
    struct image_view view = {};
    int64_t begin = 0;
    int64_t left = p->levels[0].logits->n - first;
    view.num_levels = p->num_levels;
    view.num_anchors = p->num_anchors;
    view.first = first;
    view.images = left < MAX_IMAGES ? left : (int64_t)MAX_IMAGES;
    view.min_side = p->min_side;
    view.post_nms = p->post_nms;
    for (int i = 0; i < p->num_levels; i++) {
        view.levels[i] = level_of(p, i, first, begin);
        int64_t count = view.levels[i].count;
        int64_t k = count < p->pre_nms ? count : p->pre_nms;
        if (k > view.each) view.each = k;
        begin += count;
    }
    for (int64_t i = 0; i < view.images; i++)
        view.extents[i] = p->extents[first + i];
    return view;
}

// The index in a key is that among the anchors of all levels: of equal scores the first level's
// comes first.
static __device__ int64_t anchor_of_key(const struct level_view &level, uint64_t key) {
    return (int64_t)(key & UINT32_MAX) - level.begin;
}

// In kernels, blockIdx.y is the level and blockIdx.z the image of a list.
static __device__ int64_t list_index(const struct image_view &view) {
    return (int64_t)blockIdx.z * view.num_levels + blockIdx.y;
}

static __device__ void decode(const struct image_view &view, uint64_t key, float box[4]) {
    const struct box_coding coding = {1, 1, 1, 1};
    const struct level_view &level = view.levels[blockIdx.y];
    int64_t index = anchor_of_key(level, key);
    float anchor[4];
    anchor_of_cells(level.cells, level.stride_x, level.stride_y, level.width, view.num_anchors,
                    index, anchor);
    box_decode(anchor, level.deltas + 4 * (blockIdx.z * level.count + index), &coding, box);
    box_clip(box, view.extents[blockIdx.z]);
}

// What is too small loses its key.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    drop_small(struct image_view view, uint64_t *keys) {
    int64_t i = global_index();
    float box[4];
    keys += list_index(view) * view.each;
    if (i >= view.each || keys[i] == NO_KEY) return;
    decode(view, keys[i], box);
    if (!box_is_large(box, view.min_side)) keys[i] = NO_KEY;
}

// Memory for the lists of some images, and what is in them.
struct level_lists {
    uint64_t *keys, *spare; // [images, levels, each]
    float *boxes;           // [images, levels, each, 4], sorted
    int32_t *counts;        // [images, levels]: boxes
    int32_t *kept;          // [images, levels, each]
    int32_t *num_kept;      // [images, levels]
    float *memory;
};

// Boxes in the order of the keys, and how many have one.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    decode_sorted(struct image_view view, struct level_lists lists) {
    int64_t i = global_index();
    int64_t list = list_index(view);
    const uint64_t *keys = lists.keys + list * view.each;
    if (i >= view.each) return;
    bool there = keys[i] != NO_KEY;
    if (i == 0 && !there) lists.counts[list] = 0;
    if (!there) return;
    if (i + 1 == view.each || keys[i + 1] == NO_KEY) lists.counts[list] = (int32_t)(i + 1);
    decode(view, keys[i], lists.boxes + 4 * (list * view.each + i));
}

struct proposal_places {
    float *boxes, *scores;
    int32_t *images, *labels, *levels;
    int64_t each;    // of an image; 0: none are left free
    int32_t *counts; // [images of all]
};

// How many boxes an image keeps.
static __device__ int32_t kept_of(const struct image_view &view, const struct level_lists &lists,
                                  int64_t image) {
    int64_t sum = 0;
    for (int level = 0; level < view.num_levels; level++)
        sum += lists.num_kept[image * view.num_levels + level];
    return (int32_t)(sum < view.post_nms ? sum : view.post_nms);
}

// How many of a list's kept boxes have a key before key.
static __device__ int64_t kept_before(const struct image_view &view,
                                      const struct level_lists &lists, int64_t list, uint64_t key) {
    const uint64_t *keys = lists.keys + list * view.each;
    const int32_t *kept = lists.kept + list * view.each;
    int32_t begin = 0;
    for (int32_t end = lists.num_kept[list]; begin < end;) {
        int32_t middle = begin + (end - begin) / 2;
        if (keys[kept[middle]] < key)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

// A thread for each kept box: how many of its image rank before it tells its place, in the image's
// places or behind those of the images before.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    write_kept(struct image_view view, struct level_lists lists, struct proposal_places out) {
    int64_t i = global_index();
    int64_t image = blockIdx.z;
    int64_t list = list_index(view);
    if (i == 0 && blockIdx.y == 0) out.counts[view.first + image] = kept_of(view, lists, image);
    if (i >= lists.num_kept[list]) return;
    int64_t from = lists.kept[list * view.each + i];
    uint64_t key = lists.keys[list * view.each + from];
    int64_t rank = i;
    for (unsigned level = 0; level < (unsigned)view.num_levels; level++)
        if (level != blockIdx.y)
            rank += kept_before(view, lists, image * view.num_levels + level, key);
    if (rank >= view.post_nms) return;
    int64_t at = rank + (view.first + image) * out.each;
    for (int64_t before = 0; before < view.first && !out.each; before++)
        at += out.counts[before];
    for (int64_t before = 0; before < image && !out.each; before++)
        at += kept_of(view, lists, before);
    const struct level_view &level = view.levels[blockIdx.y];
    for (int j = 0; j < 4; j++)
        out.boxes[4 * at + j] = lists.boxes[4 * (list * view.each + from) + j];
    out.scores[at] = level.logits[image * level.count + anchor_of_key(level, key)];
    out.images[at] = (int32_t)(view.first + image);
    out.labels[at] = 0;
    out.levels[at] = 0;
}

static struct level_lists create(struct nn *nn, const struct image_view *view) {
    enum { KEY_FLOATS = 2, BOX_FLOATS = 4 };
    int64_t number = view->images * view->num_levels;
    int64_t slots = number * view->each;
    struct level_lists lists = {};
    lists.memory = nn_scratch(nn, (2 * KEY_FLOATS + BOX_FLOATS + 1) * slots + 2 * number);
    lists.keys = (uint64_t *)(void *)lists.memory;
    lists.spare = lists.keys + slots;
    lists.boxes = (float *)(void *)(lists.spare + slots);
    lists.kept = (int32_t *)(void *)(lists.boxes + BOX_FLOATS * slots);
    lists.counts = lists.kept + slots;
    lists.num_kept = lists.counts + number;
    return lists;
}

// The best anchors of each list, which are large enough, in order.
static void sort_best(struct nn *nn, const struct proposals *p, const struct image_view &view,
                      struct level_lists *lists) {
    struct selections selections = {};
    selections.number = view.num_levels;
    selections.images = view.images;
    for (int i = 0; i < view.num_levels; i++) {
        const struct level_view &level = view.levels[i];
        selections.of[i] = {level.logits, level.count, p->pre_nms, level.begin};
    }
    dim3 grid(blocks_for(view.each, BLOCK_THREADS), (unsigned)view.num_levels,
              (unsigned)view.images);
    cuda_select(nn, &selections, lists->keys, view.each);
    LAUNCH(nn, drop_small, grid, BLOCK_THREADS, 0, view, lists->keys);
    lists->keys =
        cuda_sort(nn, lists->keys, lists->spare, view.images * view.num_levels, view.each);
    LAUNCH(nn, decode_sorted, grid, BLOCK_THREADS, 0, view, *lists);
}

static void propose(struct nn *nn, const struct proposals *p, const struct image_view &view,
                    struct proposal_places out) {
    struct level_lists lists = create(nn, &view);
    sort_best(nn, p, view, &lists);
    struct nms_lists nms = {};
    nms.lists = view.images * view.num_levels;
    nms.each = view.each;
    nms.boxes = lists.boxes;
    nms.counts = lists.counts;
    nms.threshold = p->nms_threshold;
    nms.max_keep = p->post_nms;
    nms.kept = lists.kept;
    nms.num_kept = lists.num_kept;
    cuda_nms(nn, &nms);
    int64_t most = view.each < p->post_nms ? view.each : p->post_nms;
    LAUNCH(nn, write_kept,
           dim3(blocks_for(most, BLOCK_THREADS), (unsigned)view.num_levels, (unsigned)view.images),
           BLOCK_THREADS, 0, view, lists, out);
    nn_scratch_free(nn, lists.memory);
}

void cuda_proposals_forward(struct nn *nn, struct call *base) {
    struct proposals_call *call = (struct proposals_call *)base;
    const struct proposals *p = call->proposals;
    struct box_list *list = call->list;
    int64_t n = p->levels[0].logits->n;
    int64_t capacity = list->each ? list->count : n * p->post_nms;
    if (!list->each) list->count = 0;
    std::vector<int32_t> num_kept((size_t)n);
    struct operands o = {.nn = nn};
    int32_t *counts = operand_out(&o, list->each ? list->counts : num_kept.data(), n);
    struct proposal_places out = {operand_out(&o, list->boxes, 4 * capacity),
                                  operand_out(&o, list->scores, capacity),
                                  operand_out(&o, list->images, capacity),
                                  operand_out(&o, list->labels, capacity),
                                  operand_out(&o, list->levels, capacity),
                                  list->each,
                                  counts};
    for (int64_t first = 0; first < n && !nn_failed(nn); first += MAX_IMAGES) {
        struct image_view view = view_of(p, first);
        if (view.each > 0 && p->post_nms > 0)
            propose(nn, p, view, out);
        else
            cuda_zero(nn, counts + first, view.images * (int64_t)sizeof *counts);
    }
    operands_end(&o);
    for (int64_t image = 0; image < n && !nn_failed(nn) && !list->each; image++)
        list->count += num_kept[(size_t)image];
}
