#include "detector/losses.h"

#include <string.h>

#include "base/check.h"
#include "nn/sigmoid_loss/sigmoid_loss.h"
#include "nn/smooth_l1_loss/smooth_l1_loss.h"
#include "nn/softmax_loss/softmax_loss.h"

struct loss_settings loss_settings_of(const struct model_config *config) {
    return (struct loss_settings){
        .anchor_rule = {.object = 0.7f, .background = 0.3f, .keeps_best = true},
        .region_rule = {.object = 0.5f, .background = 0.5f},
        .anchors = {.count = config->rpn.sampled, .positives = 0.5},
        .regions = {.count = config->box.sampled, .positives = 0.25},
        .weight = 1,
    };
}

// One step on its way. All memory is of the step, so that it lives until nn_backward has run.
struct step {
    struct nn *nn;
    struct mask_rcnn *model;
    int64_t num_images;
    struct features features;
    const struct extent *extents;
    const struct image_truth *truths;
    const struct loss_settings *settings;
};

// What the step's losses are computed to; NULL where there is none. Their values are read when all
// of them are on their way, so that the program waits once.
struct loss_tensors {
    const struct tensor *objectness[RPN_LEVELS], *anchor_box[RPN_LEVELS];
    const struct tensor *classes, *box, *mask;
};

static int32_t *integers(struct nn *nn, int64_t count) {
    return (int32_t *)(void *)nn_scratch(nn, count);
}

static int32_t *own_integers(struct nn *nn, int64_t count) {
    return (int32_t *)(void *)nn_own_memory(nn, count);
}

static const struct box *boxes_of(const float *corners) {
    return (const struct box *)(const void *)corners;
}

static double value_of(const struct tensor *loss) {
    return loss ? (double)loss->data[0] : 0;
}

static void read_losses(struct nn *nn, const struct loss_tensors *tensors, struct losses *losses) {
    nn_wait(nn);
    if (nn_failed(nn)) return;
    for (int i = 0; i < RPN_LEVELS; i++) {
        losses->objectness += value_of(tensors->objectness[i]);
        losses->anchor_box += value_of(tensors->anchor_box[i]);
    }
    losses->classes = value_of(tensors->classes);
    losses->box = value_of(tensors->box);
    losses->mask = value_of(tensors->mask);
}

// What turns a sum over count things into a loss.
static float scale_of(const struct step *s, int64_t count) {
    return count > 0 ? (float)(s->settings->weight / (double)count) : 0;
}

// A stream of its own for each use in each image of each step.
static struct random stream_of(const struct step *s, int64_t image, uint64_t use) {
    return random_stream(s->settings->seed,
                         (s->settings->step << 24) + ((uint64_t)image << 1) + use);
}

// ---- Anchors ----

// The anchors of all levels, one after another, and what becomes of each in each image: for the
// program to find out, while the device may still be computing the maps.
struct anchor_targets {
    int64_t count; // in one image
    int64_t num_anchors;
    struct proposal_level levels[RPN_LEVELS];
    int64_t level_counts[RPN_LEVELS];
    float *boxes;     // [count, 4]
    int32_t *matches; // [images, count]
    int64_t num_sampled;
};

static void make_anchors(const struct step *s, const struct rpn_maps *maps,
                         struct anchor_targets *t) {
    const struct rpn *rpn = &s->model->rpn;
    *t = (struct anchor_targets){.num_anchors = rpn->options.anchor_ratios.count};
    for (int i = 0; i < RPN_LEVELS; i++) {
        t->levels[i] = rpn_level(rpn, maps, i, s->features.height, s->features.width);
        t->level_counts[i] = maps->logits[i]->h * maps->logits[i]->w * t->num_anchors;
        t->count += t->level_counts[i];
    }
    t->boxes = nn_own_memory(s->nn, 4 * t->count);
    t->matches = own_integers(s->nn, s->num_images * t->count);
    if (nn_failed(s->nn)) return;
    float *at = t->boxes;
    for (int i = 0; i < RPN_LEVELS; i++)
        for (int64_t j = 0; j < t->level_counts[i]; j++, at += 4)
            anchor_at(&t->levels[i], t->num_anchors, j, at);
}

static void match_anchors(const struct step *s, struct anchor_targets *t) {
    int32_t *scratch = own_integers(s->nn, t->count);
    for (int64_t i = 0; i < s->num_images && !nn_failed(s->nn); i++) {
        const struct image_truth *truth = &s->truths[i];
        int32_t *matches = t->matches + i * t->count;
        float *best = nn_own_memory(s->nn, truth->count);
        if (!best) return;
        match_boxes(boxes_of(t->boxes), t->count, boxes_of(truth->boxes), truth->count,
                    &s->settings->anchor_rule, best, matches);
        struct random random = stream_of(s, i, 0);
        sample_matches(matches, t->count, &s->settings->anchors, &random, scratch);
        for (int64_t j = 0; j < t->count; j++)
            t->num_sampled += matches[j] != MATCH_IGNORED;
    }
}

// What the losses of one level compare with, for each anchor of each image.
struct level_targets {
    float *objects, *sampled, *matched; // 0 or 1
    float *deltas;                      // 4 of each
};

// Of a level whose anchors begin at first.
static struct level_targets make_level_targets(const struct step *s, const struct anchor_targets *t,
                                               int level, int64_t first) {
    static const struct box_coding CODING = {1, 1, 1, 1};
    int64_t count = t->level_counts[level];
    int64_t rows = s->num_images * count;
    float *memory = nn_own_memory(s->nn, 7 * rows);
    if (!memory) return (struct level_targets){0};
    float *objects = memory;
    float *sampled = memory + rows;
    float *matched = memory + 2 * rows;
    float *deltas = memory + 3 * rows;
    memset(memory, 0, (size_t)(7 * rows) * sizeof *memory);
    for (int64_t row = 0; row < rows; row++) {
        int64_t image = row / count;
        int64_t anchor = first + row % count;
        int32_t match = t->matches[image * t->count + anchor];
        sampled[row] = match != MATCH_IGNORED;
        if (match < 0) continue;
        objects[row] = 1;
        matched[row] = 1;
        box_encode(t->boxes + 4 * anchor, s->truths[image].boxes + 4 * (int64_t)match, &CODING,
                   deltas + 4 * row);
    }
    return (struct level_targets){objects, sampled, matched, deltas};
}

static void anchor_losses(const struct step *s, const struct rpn_maps *maps,
                          struct loss_tensors *losses) {
    struct nn *nn = s->nn;
    struct anchor_targets all;
    struct level_targets targets[RPN_LEVELS];
    make_anchors(s, maps, &all);
    match_anchors(s, &all);
    int64_t first = 0;
    for (int i = 0; i < RPN_LEVELS && !nn_failed(nn); i++) {
        targets[i] = make_level_targets(s, &all, i, first);
        first += all.level_counts[i];
    }
    float scale = scale_of(s, all.num_sampled);
    for (int i = 0; i < RPN_LEVELS && !nn_failed(nn); i++) {
        const struct sigmoid_targets logit_targets = {.targets = targets[i].objects,
                                                      .weights = targets[i].sampled};
        const struct box_targets box_targets = {
            .targets = targets[i].deltas, .weights = targets[i].matched, .num_groups = 1};
        losses->objectness[i] =
            sigmoid_loss_forward(nn, all.levels[i].logits, &logit_targets, scale);
        losses->anchor_box[i] = smooth_l1_loss_forward(nn, all.levels[i].deltas, &box_targets,
                                                       s->model->rules->box_loss_beta, scale);
    }
}

// ---- Regions ----

// Sampled regions and the truth of each; background has truth 0 of its image and label 0.
struct regions {
    struct box_list list;
    int32_t *truths; // index among the truths of the region's image
    int64_t capacity;
};

static void regions_create(struct nn *nn, struct regions *regions, int64_t capacity) {
    *regions = (struct regions){.capacity = capacity};
    box_list_create(nn, &regions->list, capacity);
    regions->truths = integers(nn, capacity);
}

static void add_region(struct regions *regions, const float box[4], int32_t image, int32_t label,
                       int32_t truth) {
    int64_t at = regions->list.count++;
    CHECK(at < regions->capacity);
    memcpy(regions->list.boxes + 4 * at, box, 4 * sizeof *box);
    regions->list.images[at] = image;
    regions->list.labels[at] = label;
    regions->truths[at] = truth;
}

// The proposals begin to end of one image and, behind them, its truths.
static void sample_image(const struct step *s, const struct box_list *proposals, int64_t begin,
                         int64_t end, int64_t image, struct regions *regions) {
    const struct image_truth *truth = &s->truths[image];
    int64_t count = end - begin + truth->count;
    float *boxes = nn_scratch(s->nn, 4 * count + truth->count);
    int32_t *matches = integers(s->nn, 2 * count);
    if (nn_failed(s->nn)) return;
    memcpy(boxes, proposals->boxes + 4 * begin, (size_t)(4 * (end - begin)) * sizeof *boxes);
    if (truth->count)
        memcpy(boxes + 4 * (end - begin), truth->boxes, (size_t)(4 * truth->count) * sizeof *boxes);
    match_boxes(boxes_of(boxes), count, boxes_of(truth->boxes), truth->count,
                &s->settings->region_rule, boxes + 4 * count, matches);
    struct random random = stream_of(s, image, 1);
    sample_matches(matches, count, &s->settings->regions, &random, matches + count);
    for (int64_t i = 0; i < count; i++) {
        if (matches[i] == MATCH_IGNORED) continue;
        int32_t label = matches[i] >= 0 ? truth->labels[matches[i]] : 0;
        add_region(regions, boxes + 4 * i, (int32_t)image, label, matches[i] >= 0 ? matches[i] : 0);
    }
    nn_scratch_free(s->nn, (float *)(void *)matches);
    nn_scratch_free(s->nn, boxes);
}

static void sample_regions(const struct step *s, const struct box_list *proposals,
                           struct regions *regions) {
    int64_t most = proposals->count;
    for (int64_t i = 0; i < s->num_images; i++)
        most += s->truths[i].count;
    regions_create(s->nn, regions, most);
    nn_wait(s->nn);
    for (int64_t image = 0, begin = 0; image < s->num_images && !nn_failed(s->nn); image++) {
        int64_t end = begin;
        while (end < proposals->count && proposals->images[end] == image)
            end++;
        sample_image(s, proposals, begin, end, image, regions);
        begin = end;
    }
}

// The deltas of the regions' boxes to those of their truths, [regions, 4], and behind them whether
// a region has any, [regions].
static float *make_box_targets(const struct step *s, const struct regions *regions) {
    const struct box_list *list = &regions->list;
    int64_t count = list->count;
    float *targets = nn_scratch(s->nn, 5 * count);
    if (!targets || count == 0) return NULL;
    float *matched = targets + 4 * count;
    memset(targets, 0, (size_t)(5 * count) * sizeof *targets);
    for (int64_t i = 0; i < count; i++) {
        if (list->labels[i] == 0) continue;
        const float *truth = s->truths[list->images[i]].boxes + 4 * (int64_t)regions->truths[i];
        matched[i] = 1;
        box_encode(list->boxes + 4 * i, truth, &MASK_RCNN_BOX_CODING, targets + 4 * i);
    }
    return targets;
}

static void box_losses(const struct step *s, struct regions *regions, const float *targets,
                       struct loss_tensors *losses) {
    struct nn *nn = s->nn;
    struct box_list *list = &regions->list;
    int64_t count = list->count;
    if (nn_failed(nn) || count == 0) return;
    struct tensor *pooled = roi_pool(nn, &s->model->rules->roi_pooling,
                                     s->model->config->box.resolution, s->features.levels, list);
    struct box_scores scores = box_head_forward(nn, &s->model->box_head, pooled);
    float scale = scale_of(s, count);
    const struct box_targets box_targets = {
        .targets = targets,
        .weights = targets + 4 * count,
        .groups = list->labels,
        .num_groups = model_config_num_classes(s->model->config),
    };
    losses->classes = softmax_loss_forward(nn, scores.logits, list->labels, scale);
    losses->box = smooth_l1_loss_forward(nn, scores.deltas, &box_targets,
                                         s->model->rules->box_loss_beta, scale);
}

// ---- Masks ----

// The regions that are objects.
static void select_objects(struct nn *nn, const struct regions *all, struct regions *objects) {
    regions_create(nn, objects, all->list.count);
    for (int64_t i = 0; i < all->list.count && !nn_failed(nn); i++)
        if (all->list.labels[i] > 0)
            add_region(objects, all->list.boxes + 4 * i, all->list.images[i], all->list.labels[i],
                       all->truths[i]);
}

// Targets of all objects; those of an image lie side by side, as the images' masks do.
static float *make_mask_targets(const struct step *s, const struct regions *objects, int64_t size) {
    float *targets = nn_scratch(s->nn, objects->list.count * size * size);
    for (int64_t image = 0, begin = 0; image < s->num_images && targets; image++) {
        struct box_list part = objects->list;
        int64_t end = begin;
        while (end < part.count && part.images[end] == image)
            end++;
        part.boxes += 4 * begin;
        part.count = end - begin;
        mask_targets_make(s->nn, s->model->rules, s->truths[image].masks, s->truths[image].count,
                          &part, objects->truths + begin, size, targets + begin * size * size);
        begin = end;
    }
    return targets;
}

static void mask_losses(const struct step *s, struct regions *objects, const float *mask_targets,
                        int64_t size, struct loss_tensors *losses) {
    struct nn *nn = s->nn;
    if (nn_failed(nn) || objects->list.count == 0) return;
    const struct sigmoid_targets targets = {
        .targets = mask_targets,
        .channels = objects->list.labels,
    };
    struct tensor *pooled =
        roi_pool(nn, &s->model->rules->roi_pooling, s->model->config->mask.resolution,
                 s->features.levels, &objects->list);
    struct tensor *logits = mask_head_forward(nn, &s->model->mask_head, pooled);
    float scale = scale_of(s, objects->list.count * size * size);
    losses->mask = sigmoid_loss_forward(nn, logits, &targets, scale);
}

// All targets first, then what the device has to compute: the program does not wait in between.
static void region_losses(const struct step *s, const struct box_list *proposals,
                          struct loss_tensors *losses) {
    struct regions regions;
    struct regions objects;
    int64_t mask_size = 2 * s->model->config->mask.resolution;
    sample_regions(s, proposals, &regions);
    if (nn_failed(s->nn)) return;
    const float *box_targets = make_box_targets(s, &regions);
    select_objects(s->nn, &regions, &objects);
    if (nn_failed(s->nn)) return;
    const float *mask_targets = make_mask_targets(s, &objects, mask_size);
    box_losses(s, &regions, box_targets, losses);
    mask_losses(s, &objects, mask_targets, mask_size, losses);
}

void mask_rcnn_losses(struct nn *nn, struct mask_rcnn *model, struct tensor *input,
                      const struct extent *extents, const struct image_truth *truths,
                      const struct loss_settings *settings, struct losses *losses) {
    CHECK(nn->mode == NN_TRAINING);
    struct rpn_maps maps;
    struct box_list proposals;
    struct loss_tensors tensors = {0};
    struct step step = {
        .nn = nn,
        .model = model,
        .num_images = input->n,
        .extents = extents,
        .truths = truths,
        .settings = settings,
    };
    *losses = (struct losses){0};
    mask_rcnn_features(nn, model, input, &step.features);
    rpn_forward(nn, &model->rpn, step.features.levels, &maps);
    anchor_losses(&step, &maps, &tensors);
    box_list_create(nn, &proposals, input->n * rpn_limits_of(nn, &model->rpn).post_nms);
    rpn_propose(nn, &model->rpn, &maps, step.features.height, step.features.width, extents,
                &proposals);
    if (nn_failed(nn)) return;
    region_losses(&step, &proposals, &tensors);
    read_losses(nn, &tensors, losses);
}
