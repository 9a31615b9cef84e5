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
    struct losses *losses;
};

static int32_t *integers(struct nn *nn, int64_t count) {
    return (int32_t *)(void *)nn_scratch(nn, count);
}

static const struct box *boxes_of(const float *corners) {
    return (const struct box *)(const void *)corners;
}

static double value_of(const struct step *s, const struct tensor *loss) {
    return nn_failed(s->nn) ? 0 : (double)loss->data[0];
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

// The anchors of all levels, one after another, and what becomes of each in each image.
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
    t->boxes = nn_scratch(s->nn, 4 * t->count);
    t->matches = integers(s->nn, s->num_images * t->count);
    if (nn_failed(s->nn)) return;
    float *at = t->boxes;
    for (int i = 0; i < RPN_LEVELS; i++)
        for (int64_t j = 0; j < t->level_counts[i]; j++, at += 4)
            anchor_at(&t->levels[i], t->num_anchors, j, at);
}

static void match_anchors(const struct step *s, struct anchor_targets *t) {
    int32_t *scratch = integers(s->nn, t->count);
    for (int64_t i = 0; i < s->num_images && !nn_failed(s->nn); i++) {
        const struct image_truth *truth = &s->truths[i];
        int32_t *matches = t->matches + i * t->count;
        float *best = nn_scratch(s->nn, truth->count);
        if (!best) return;
        match_boxes(boxes_of(t->boxes), t->count, boxes_of(truth->boxes), truth->count,
                    &s->settings->anchor_rule, best, matches);
        nn_scratch_free(s->nn, best);
        struct random random = stream_of(s, i, 0);
        sample_matches(matches, t->count, &s->settings->anchors, &random, scratch);
        for (int64_t j = 0; j < t->count; j++)
            t->num_sampled += matches[j] != MATCH_IGNORED;
    }
    nn_scratch_free(s->nn, (float *)(void *)scratch);
}

// The losses of one level, whose anchors begin at first.
static void level_losses(const struct step *s, const struct anchor_targets *t, int level,
                         int64_t first) {
    static const struct box_coding CODING = {1, 1, 1, 1};
    struct nn *nn = s->nn;
    int64_t count = t->level_counts[level];
    int64_t rows = s->num_images * count;
    float *memory = nn_scratch(nn, 7 * rows);
    if (!memory) return;
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
    float scale = scale_of(s, t->num_sampled);
    const struct sigmoid_targets logit_targets = {.targets = objects, .weights = sampled};
    const struct box_targets box_targets = {.targets = deltas, .weights = matched, .num_groups = 1};
    s->losses->objectness +=
        value_of(s, sigmoid_loss_forward(nn, t->levels[level].logits, &logit_targets, scale));
    s->losses->anchor_box +=
        value_of(s, smooth_l1_loss_forward(nn, t->levels[level].deltas, &box_targets,
                                           s->model->rules->box_loss_beta, scale));
}

static void anchor_losses(const struct step *s, const struct rpn_maps *maps) {
    struct anchor_targets targets;
    make_anchors(s, maps, &targets);
    match_anchors(s, &targets);
    int64_t first = 0;
    for (int i = 0; i < RPN_LEVELS && !nn_failed(s->nn); i++) {
        level_losses(s, &targets, i, first);
        first += targets.level_counts[i];
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
    for (int64_t image = 0, begin = 0; image < s->num_images && !nn_failed(s->nn); image++) {
        int64_t end = begin;
        while (end < proposals->count && proposals->images[end] == image)
            end++;
        sample_image(s, proposals, begin, end, image, regions);
        begin = end;
    }
}

static void box_losses(const struct step *s, struct regions *regions) {
    struct nn *nn = s->nn;
    struct box_list *list = &regions->list;
    int64_t count = list->count;
    float *targets = nn_scratch(nn, 5 * count);
    if (!targets || count == 0) return;
    float *matched = targets + 4 * count;
    memset(targets, 0, (size_t)(5 * count) * sizeof *targets);
    for (int64_t i = 0; i < count; i++) {
        if (list->labels[i] == 0) continue;
        const float *truth = s->truths[list->images[i]].boxes + 4 * (int64_t)regions->truths[i];
        matched[i] = 1;
        box_encode(list->boxes + 4 * i, truth, &MASK_RCNN_BOX_CODING, targets + 4 * i);
    }
    struct tensor *pooled = roi_pool(nn, &s->model->rules->roi_pooling,
                                     s->model->config->box.resolution, s->features.levels, list);
    struct box_scores scores = box_head_forward(nn, &s->model->box_head, pooled);
    float scale = scale_of(s, count);
    const struct box_targets box_targets = {
        .targets = targets,
        .weights = matched,
        .groups = list->labels,
        .num_groups = model_config_num_classes(s->model->config),
    };
    s->losses->classes = value_of(s, softmax_loss_forward(nn, scores.logits, list->labels, scale));
    s->losses->box = value_of(s, smooth_l1_loss_forward(nn, scores.deltas, &box_targets,
                                                        s->model->rules->box_loss_beta, scale));
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

static void mask_losses(const struct step *s, const struct regions *regions) {
    struct nn *nn = s->nn;
    struct regions objects;
    int64_t size = 2 * s->model->config->mask.resolution;
    select_objects(nn, regions, &objects);
    if (nn_failed(nn) || objects.list.count == 0) return;
    const struct sigmoid_targets targets = {
        .targets = make_mask_targets(s, &objects, size),
        .channels = objects.list.labels,
    };
    struct tensor *pooled =
        roi_pool(nn, &s->model->rules->roi_pooling, s->model->config->mask.resolution,
                 s->features.levels, &objects.list);
    struct tensor *logits = mask_head_forward(nn, &s->model->mask_head, pooled);
    float scale = scale_of(s, objects.list.count * size * size);
    s->losses->mask = value_of(s, sigmoid_loss_forward(nn, logits, &targets, scale));
}

void mask_rcnn_losses(struct nn *nn, struct mask_rcnn *model, struct tensor *input,
                      const struct extent *extents, const struct image_truth *truths,
                      const struct loss_settings *settings, struct losses *losses) {
    CHECK(nn->mode == NN_TRAINING);
    struct rpn_maps maps;
    struct box_list proposals;
    struct regions regions;
    struct step step = {
        .nn = nn,
        .model = model,
        .num_images = input->n,
        .extents = extents,
        .truths = truths,
        .settings = settings,
        .losses = losses,
    };
    *losses = (struct losses){0};
    mask_rcnn_features(nn, model, input, &step.features);
    rpn_forward(nn, &model->rpn, step.features.levels, &maps);
    anchor_losses(&step, &maps);
    box_list_create(nn, &proposals, input->n * rpn_limits_of(nn, &model->rpn).post_nms);
    rpn_propose(nn, &model->rpn, &maps, step.features.height, step.features.width, extents,
                &proposals);
    if (nn_failed(nn)) return;
    sample_regions(&step, &proposals, &regions);
    if (nn_failed(nn)) return;
    box_losses(&step, &regions);
    mask_losses(&step, &regions);
}
