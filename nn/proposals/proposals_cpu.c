#include <string.h>

#include "nn/device.h"
#include "nn/indices.h"
#include "nn/nms/nms.h"
#include "nn/proposals/proposals_call.h"
#include "nn/top_k/top_k.h"

// The boxes of one image before suppression, level after level, and room to sort them.
struct candidates {
    int64_t capacity;
    int64_t count;
    float *memory;
    float *boxes; // [capacity, 4]
    float *scores;
    float *sorted; // [capacity, 4]
    int32_t *levels;
    int32_t *sorted_levels;
    int32_t *order; // [capacity]
    int32_t *kept;  // [capacity]
};

static bool create(struct nn *nn, struct candidates *c, const struct proposals *p) {
    enum { FLOATS_EACH = 13 };
    *c = (struct candidates){.capacity = p->num_levels * p->pre_nms};
    float *at = nn_scratch(nn, FLOATS_EACH * c->capacity);
    if (!at) return false;
    c->memory = at;
    c->boxes = at;
    c->sorted = at + 4 * c->capacity;
    c->scores = at + 8 * c->capacity;
    int32_t *integers = (int32_t *)(void *)(at + 9 * c->capacity);
    c->levels = integers;
    c->sorted_levels = integers + c->capacity;
    c->order = integers + 2 * c->capacity;
    c->kept = integers + 3 * c->capacity;
    return true;
}

static void add_level(struct nn *nn, const struct proposals *p, int index, int64_t image,
                      struct candidates *c) {
    static const struct box_coding CODING = {1, 1, 1, 1};
    const struct proposal_level *level = &p->levels[index];
    int64_t count = level->logits->h * level->logits->w * p->num_anchors;
    const float *logits = level->logits->data + image * count;
    const float *deltas = level->deltas->data + image * count * 4;
    struct indices best = {.capacity = p->pre_nms, .items = c->order};
    top_k_forward(nn, logits, count, p->pre_nms, &best);
    for (int64_t i = 0; i < best.count; i++) {
        float anchor[4];
        float *box = c->boxes + 4 * c->count;
        anchor_at(level, p->num_anchors, best.items[i], anchor);
        box_decode(anchor, deltas + 4 * (int64_t)best.items[i], &CODING, box);
        box_clip(box, p->extents[image]);
        if (!box_is_large(box, p->min_side)) continue;
        c->scores[c->count] = logits[best.items[i]];
        c->levels[c->count++] = index;
    }
}

static void select_image(struct nn *nn, const struct proposals *p, int64_t image,
                         struct candidates *c, struct box_list *list) {
    c->count = 0;
    for (int i = 0; i < p->num_levels && !nn_failed(nn); i++)
        add_level(nn, p, i, image, c);
    struct indices order = {.capacity = c->capacity, .items = c->order};
    top_k_forward(nn, c->scores, c->count, c->count, &order);
    for (int64_t i = 0; i < order.count; i++) {
        memcpy(c->sorted + 4 * i, c->boxes + 4 * (int64_t)order.items[i], 4 * sizeof(float));
        c->sorted_levels[i] = c->levels[order.items[i]];
    }
    struct indices kept = {.capacity = c->capacity, .items = c->kept};
    nms_forward(nn, c->sorted, c->sorted_levels, order.count, p->nms_threshold, p->post_nms, &kept);
    int64_t begin = list->each ? image * list->each : list->count;
    if (list->each) list->counts[image] = nn_failed(nn) ? 0 : (int32_t)kept.count;
    for (int64_t i = 0; i < kept.count && !nn_failed(nn); i++) {
        int64_t at = begin + i;
        memcpy(list->boxes + 4 * at, c->sorted + 4 * (int64_t)kept.items[i], 4 * sizeof(float));
        list->scores[at] = c->scores[order.items[kept.items[i]]];
        list->images[at] = (int32_t)image;
        list->labels[at] = 0;
        list->levels[at] = 0;
    }
    if (!list->each && !nn_failed(nn)) list->count += kept.count;
}

void cpu_proposals_forward(struct nn *nn, struct call *base) {
    struct proposals_call *call = (struct proposals_call *)base;
    const struct proposals *p = call->proposals;
    struct candidates candidates;
    if (!call->list->each) call->list->count = 0;
    if (!create(nn, &candidates, p)) return;
    for (int64_t i = 0; i < p->levels[0].logits->n; i++)
        select_image(nn, p, i, &candidates, call->list);
    nn_scratch_free(nn, candidates.memory);
}
