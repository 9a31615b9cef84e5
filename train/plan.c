#include "train/plan.h"

#include "detector/losses.h"
#include "nn/sgd/sgd.h"
#include "nn/sigmoid_loss/sigmoid_loss.h"
#include "nn/smooth_l1_loss/smooth_l1_loss.h"
#include "nn/softmax_loss/softmax_loss.h"
#include "nn/squares/squares.h"

// Addresses only, as everything on the plan device.
static struct extent *plan_extents(struct nn *nn, int64_t count) {
    return (struct extent *)(void *)nn_scratch(nn, 2 * count);
}

void plan_detection(struct nn *nn, struct mask_rcnn *model, int64_t num_images,
                    struct extent padded) {
    struct features features;
    struct box_list proposals;
    struct box_list found;
    nn_begin(nn, NN_INFERENCE);
    const struct extent *extents = plan_extents(nn, num_images);
    struct tensor *input = nn_tensor(nn, num_images, padded.height, padded.width, 3);
    mask_rcnn_features(nn, model, input, &features);
    mask_rcnn_propose(nn, model, &features, extents, &proposals);
    mask_rcnn_boxes(nn, model, &features, &proposals, extents, &found);
    mask_rcnn_masks(nn, model, &features, &found);
}

// ---- Training, as in detector/losses.c ----

static void plan_anchors(struct nn *nn, const struct mask_rcnn *model, const struct rpn_maps *maps,
                         int64_t num_images) {
    enum { FLOATS_OF_TARGET = 7, FLOATS_OF_ANCHOR = 4 };
    const struct sigmoid_targets objects = {0};
    const struct box_targets boxes = {.num_groups = 1};
    int64_t anchors = 0;
    for (int i = 0; i < RPN_LEVELS; i++) {
        anchors += tensor_count(maps->logits[i]);
        nn_scratch(nn, FLOATS_OF_TARGET * tensor_count(maps->logits[i]));
        sigmoid_loss_forward(nn, maps->logits[i], &objects, 1);
        smooth_l1_loss_forward(nn, maps->deltas[i], &boxes, model->rules->box_loss_beta, 1);
    }
    nn_scratch(nn, anchors + FLOATS_OF_ANCHOR * anchors / num_images);
}

static struct tensor *pool(struct nn *nn, const struct mask_rcnn *model,
                           const struct features *features, int64_t resolution,
                           struct box_list *regions, int64_t count) {
    box_list_create(nn, regions, count);
    regions->count = count;
    return roi_pool(nn, &model->rules->roi_pooling, resolution, features->levels, regions);
}

static void plan_boxes(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                       int64_t count) {
    struct box_list regions;
    struct tensor *pooled =
        pool(nn, model, features, model->config->box.resolution, &regions, count);
    struct box_scores scores = box_head_forward(nn, &model->box_head, pooled);
    const struct box_targets targets = {.num_groups = model_config_num_classes(model->config)};
    softmax_loss_forward(nn, scores.logits, NULL, 1);
    smooth_l1_loss_forward(nn, scores.deltas, &targets, model->rules->box_loss_beta, 1);
}

static void plan_masks(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                       int64_t count) {
    struct box_list regions;
    struct tensor *pooled =
        pool(nn, model, features, model->config->mask.resolution, &regions, count);
    const struct sigmoid_targets targets = {.channels = regions.labels};
    struct tensor *logits = mask_head_forward(nn, &model->mask_head, pooled);
    nn_scratch(nn, count * logits->h * logits->w);
    sigmoid_loss_forward(nn, logits, &targets, 1);
}

void plan_training(struct nn *nn, struct mask_rcnn *model, int64_t num_images,
                   struct extent padded) {
    const struct sampling sampling = loss_settings_of(model->config).regions;
    struct features features;
    struct rpn_maps maps;
    nn_begin(nn, NN_TRAINING);
    struct tensor *input = nn_tensor(nn, num_images, padded.height, padded.width, 3);
    mask_rcnn_features(nn, model, input, &features);
    rpn_forward(nn, &model->rpn, features.levels, &maps);
    plan_anchors(nn, model, &maps, num_images);
    struct box_list proposals;
    box_list_create(nn, &proposals, num_images * rpn_limits_of(nn, &model->rpn).post_nms);
    rpn_propose(nn, &model->rpn, &maps, padded.height, padded.width, plan_extents(nn, num_images),
                &proposals);
    int64_t regions = num_images * sampling.count;
    plan_boxes(nn, model, &features, regions);
    plan_masks(nn, model, &features, (int64_t)(sampling.positives * (double)regions));
    nn_backward(nn);
}

void plan_update(struct nn *nn, struct mask_rcnn *model) {
    static const struct sgd_rates RATES = {0};
    struct parameters *parameters = &model->parameters;
    squares_forward(nn, parameters->grad, parameters->num_trainable_floats);
    sgd_forward(nn, parameters, NULL, NULL, &RATES);
}
