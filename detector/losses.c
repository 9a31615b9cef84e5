#include "detector/losses.h"

#include "base/check.h"
#include "detector/targets.h"
#include "nn/encode/encode.h"
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
    const struct loss_settings *settings;
    struct features features;
    struct targets targets;
    struct loss_tensors *tensors;
};

static double value_of(const struct tensor *loss) {
    return loss ? (double)loss->data[0] : 0;
}

void losses_read(struct nn *nn, const struct loss_tensors *tensors, struct losses *losses) {
    *losses = (struct losses){0};
    nn_wait(nn);
    if (nn_failed(nn) || nn->device == NN_PLAN) return;
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

// ---- Anchors ----

// Of a level whose anchors begin at first.
static void level_losses(struct step *s, int level, int64_t first) {
    const struct targets *t = &s->targets;
    int64_t num_images = t->truths.num_images;
    int64_t rows = num_images * t->level_counts[level];
    float *memory = nn_scratch(s->nn, 6 * rows);
    if (nn_failed(s->nn)) return;
    const struct encoding encoding = {
        .boxes = t->anchors,
        .matches = t->anchor_matches,
        .truths = t->truths.boxes,
        .num_truths = t->truths.count,
        .num_images = num_images,
        .first = first,
        .count = t->level_counts[level],
        .stride = t->num_anchors,
        .coding = {1, 1, 1, 1},
    };
    const struct encoded encoded = {memory, memory + 4 * rows, memory + 5 * rows};
    encode_forward(s->nn, &encoding, &encoded);
    const struct sigmoid_targets objects = {.targets = encoded.matched, .weights = encoded.sampled};
    const struct box_targets boxes = {
        .targets = encoded.deltas, .weights = encoded.matched, .num_groups = 1};
    float scale = scale_of(s, t->num_sampled_anchors);
    s->tensors->objectness[level] =
        sigmoid_loss_forward(s->nn, t->levels[level].logits, &objects, scale);
    s->tensors->anchor_box[level] = smooth_l1_loss_forward(s->nn, t->levels[level].deltas, &boxes,
                                                           s->model->rules->box_loss_beta, scale);
}

static void anchor_losses(struct step *s) {
    int64_t first = 0;
    for (int i = 0; i < RPN_LEVELS && !nn_failed(s->nn); i++) {
        level_losses(s, i, first);
        first += s->targets.level_counts[i];
    }
}

// ---- Regions ----

static void box_losses(struct step *s) {
    struct nn *nn = s->nn;
    struct regions *regions = &s->targets.regions;
    struct box_list *list = &regions->list;
    int64_t count = list->count;
    if (nn_failed(nn) || count == 0) return;
    float *memory = nn_scratch(nn, 5 * count);
    const struct encoding encoding = {
        .boxes = list->boxes,
        .matches = regions->truths,
        .truths = s->targets.truths.boxes,
        .num_truths = s->targets.truths.count,
        .num_images = 1,
        .count = count,
        .coding = MASK_RCNN_BOX_CODING,
    };
    if (nn_failed(nn)) return;
    const struct encoded encoded = {memory, memory + 4 * count, NULL};
    encode_forward(nn, &encoding, &encoded);
    struct tensor *pooled = roi_pool(nn, &s->model->rules->roi_pooling,
                                     s->model->config->box.resolution, s->features.levels, list);
    struct box_scores scores = box_head_forward(nn, &s->model->box_head, pooled);
    float scale = scale_of(s, count);
    const struct box_targets box_targets = {
        .targets = encoded.deltas,
        .weights = encoded.matched,
        .groups = list->labels,
        .num_groups = model_config_num_classes(s->model->config),
    };
    s->tensors->classes = softmax_loss_forward(nn, scores.logits, list->labels, scale);
    s->tensors->box = smooth_l1_loss_forward(nn, scores.deltas, &box_targets,
                                             s->model->rules->box_loss_beta, scale);
}

// ---- Masks ----

static void mask_losses(struct step *s) {
    struct nn *nn = s->nn;
    struct regions *objects = &s->targets.objects;
    int64_t count = objects->list.count;
    int64_t size = 2 * s->model->config->mask.resolution;
    if (nn_failed(nn) || count == 0) return;
    float *mask_targets = nn_scratch(nn, count * size * size);
    const struct mask_regions regions = {count, objects->list.boxes, objects->truths};
    const struct sigmoid_targets targets = {
        .targets = mask_targets,
        .channels = objects->list.labels,
    };
    mask_targets_forward(nn, &s->targets.masks, &regions, size,
                         s->model->rules->aligned_mask_targets, mask_targets);
    struct tensor *pooled =
        roi_pool(nn, &s->model->rules->roi_pooling, s->model->config->mask.resolution,
                 s->features.levels, &objects->list);
    struct tensor *logits = mask_head_forward(nn, &s->model->mask_head, pooled);
    s->tensors->mask = sigmoid_loss_forward(nn, logits, &targets, scale_of(s, count * size * size));
}

void mask_rcnn_losses_start(struct nn *nn, struct mask_rcnn *model, struct tensor *input,
                            const struct extent *extents, const struct image_truth *truths,
                            const struct loss_settings *settings, struct loss_tensors *tensors) {
    CHECK(nn->mode == NN_TRAINING);
    struct rpn_maps maps;
    struct box_list proposals;
    struct step s = {.nn = nn, .model = model, .settings = settings, .tensors = tensors};
    *tensors = (struct loss_tensors){0};
    mask_rcnn_features(nn, model, input, &s.features);
    rpn_forward(nn, &model->rpn, s.features.levels, &maps);
    targets_of_anchors(nn, &model->rpn, &maps, &s.features, truths, settings, &s.targets);
    box_list_create_places(nn, &proposals, input->n, rpn_limits_of(nn, &model->rpn).post_nms);
    rpn_propose(nn, &model->rpn, &maps, s.features.height, s.features.width, extents, &proposals);
    targets_of_regions(nn, &proposals, settings, &s.targets);
    targets_count(nn, settings, &s.targets);
    anchor_losses(&s);
    box_losses(&s);
    mask_losses(&s);
}

void mask_rcnn_losses(struct nn *nn, struct mask_rcnn *model, struct tensor *input,
                      const struct extent *extents, const struct image_truth *truths,
                      const struct loss_settings *settings, struct losses *losses) {
    struct loss_tensors tensors;
    mask_rcnn_losses_start(nn, model, input, extents, truths, settings, &tensors);
    losses_read(nn, &tensors, losses);
}
