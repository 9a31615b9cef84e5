#include <string.h>

#include "nn/detections/detections_call.h"
#include "nn/device.h"
#include "nn/indices.h"
#include "nn/nms/nms.h"
#include "nn/softmax/softmax.h"
#include "nn/top_k/top_k.h"

// The proposals of one image.
struct range {
    int64_t begin, end;
};

// Boxes that passed the threshold, and room to sort them.
struct candidates {
    int64_t count;
    float *memory;
    float *boxes; // [count, 4]
    float *scores;
    float *sorted; // [count, 4]
    int32_t *labels;
    int32_t *sorted_labels;
    int32_t *order;
    int32_t *kept;
};

static int64_t count_above(const float *probabilities, struct range range, int64_t classes,
                           float threshold) {
    int64_t count = 0;
    for (int64_t i = range.begin; i < range.end; i++)
        for (int64_t j = 1; j < classes; j++)
            count += probabilities[i * classes + j] > threshold;
    return count;
}

static bool create(struct nn *nn, struct candidates *c, int64_t capacity) {
    enum { FLOATS_EACH = 13 };
    *c = (struct candidates){.count = 0};
    float *at = nn_scratch(nn, FLOATS_EACH * capacity);
    if (!at) return false;
    c->memory = at;
    c->boxes = at;
    c->sorted = at + 4 * capacity;
    c->scores = at + 8 * capacity;
    int32_t *integers = (int32_t *)(void *)(at + 9 * capacity);
    c->labels = integers;
    c->sorted_labels = integers + capacity;
    c->order = integers + 2 * capacity;
    c->kept = integers + 3 * capacity;
    return true;
}

static void collect(const struct detections *d, struct range range, const float *probabilities,
                    int64_t image, struct candidates *c) {
    int64_t classes = d->logits->c;
    for (int64_t i = range.begin; i < range.end; i++) {
        const float *row = probabilities + i * classes;
        const float *deltas = d->deltas->data + i * 4 * classes;
        for (int64_t j = 1; j < classes; j++) {
            if (!(row[j] > d->score_threshold)) continue;
            float *box = c->boxes + 4 * c->count;
            box_decode(d->proposals->boxes + 4 * i, deltas + 4 * j, &d->coding, box);
            box_clip(box, d->extents[image]);
            if (!box_is_large(box, d->min_side)) continue;
            c->scores[c->count] = row[j];
            c->labels[c->count++] = (int32_t)j;
        }
    }
}

static void select_best(struct nn *nn, const struct detections *d, int64_t image,
                        struct candidates *c, struct box_list *list) {
    struct indices order = {.capacity = c->count, .items = c->order};
    top_k_forward(nn, c->scores, c->count, c->count, &order);
    for (int64_t i = 0; i < order.count; i++) {
        memcpy(c->sorted + 4 * i, c->boxes + 4 * (int64_t)order.items[i], 4 * sizeof(float));
        c->sorted_labels[i] = c->labels[order.items[i]];
    }
    struct indices kept = {.capacity = c->count, .items = c->kept};
    nms_forward(nn, c->sorted, c->sorted_labels, order.count, d->nms_threshold, d->max_detections,
                &kept);
    for (int64_t i = 0; i < kept.count && !nn_failed(nn); i++) {
        int64_t at = list->count++;
        int32_t from = kept.items[i];
        memcpy(list->boxes + 4 * at, c->sorted + 4 * (int64_t)from, 4 * sizeof(float));
        list->scores[at] = c->scores[order.items[from]];
        list->labels[at] = c->sorted_labels[from];
        list->images[at] = (int32_t)image;
        list->levels[at] = 0;
    }
}

static void detect_image(struct nn *nn, const struct detections *d, const float *probabilities,
                         int64_t image, struct range range, struct box_list *list) {
    int64_t capacity = count_above(probabilities, range, d->logits->c, d->score_threshold);
    struct candidates candidates;
    if (!create(nn, &candidates, capacity)) return;
    collect(d, range, probabilities, image, &candidates);
    select_best(nn, d, image, &candidates, list);
    nn_scratch_free(nn, candidates.memory);
}

void cpu_detections_forward(struct nn *nn, struct call *base) {
    struct detections_call *call = (struct detections_call *)base;
    const struct detections *d = call->detections;
    call->list->count = 0;
    struct tensor *probabilities = softmax_forward(nn, d->logits);
    struct range range = {0, 0};
    for (int64_t image = 0; image < d->num_images && !nn_failed(nn); image++) {
        range.begin = range.end;
        while (range.end < d->proposals->count && d->proposals->images[range.end] == image)
            range.end++;
        detect_image(nn, d, probabilities->data, image, range, call->list);
    }
    nn_release(nn, probabilities);
}
