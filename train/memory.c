#include "train/memory.h"

#include "base/process.h"
#include "detector/losses.h"
#include "nn/sigmoid_loss/sigmoid_loss.h"
#include "nn/smooth_l1_loss/smooth_l1_loss.h"
#include "nn/softmax_loss/softmax_loss.h"

// ---- A step, as in detector/losses.c, with as many regions as there may be ----

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
                           const struct features *features, int64_t resolution, int64_t count) {
    struct box_list regions;
    box_list_create(nn, &regions, count);
    regions.count = count;
    return roi_pool(nn, &model->rules->roi_pooling, resolution, features->levels, &regions);
}

static void plan_boxes(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                       int64_t count) {
    struct tensor *pooled = pool(nn, model, features, model->config->box.resolution, count);
    struct box_scores scores = box_head_forward(nn, &model->box_head, pooled);
    const struct box_targets targets = {.num_groups = model_config_num_classes(model->config)};
    softmax_loss_forward(nn, scores.logits, NULL, 1);
    smooth_l1_loss_forward(nn, scores.deltas, &targets, model->rules->box_loss_beta, 1);
}

static void plan_masks(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                       int64_t count) {
    const struct sigmoid_targets targets = {0};
    struct tensor *pooled = pool(nn, model, features, model->config->mask.resolution, count);
    struct tensor *logits = mask_head_forward(nn, &model->mask_head, pooled);
    nn_scratch(nn, count * logits->h * logits->w);
    sigmoid_loss_forward(nn, logits, &targets, 1);
}

static void plan_step(struct nn *nn, struct mask_rcnn *model, int64_t num_images,
                      struct extent padded) {
    const struct sampling sampling = loss_settings_of(model->config).regions;
    struct features features;
    struct rpn_maps maps;
    nn_begin(nn, NN_TRAINING);
    struct tensor *input = nn_tensor(nn, num_images, padded.height, padded.width, 3);
    mask_rcnn_features(nn, model, input, &features);
    rpn_forward(nn, &model->rpn, features.levels, &maps);
    plan_anchors(nn, model, &maps, num_images);
    int64_t regions = num_images * sampling.count;
    plan_boxes(nn, model, &features, regions);
    plan_masks(nn, model, &features, (int64_t)(sampling.positives * (double)regions));
    nn_backward(nn);
}

enum status training_memory_count(struct training_memory *memory, struct detector_model *model,
                                  const struct loader_options *loader, struct error *err) {
    const struct parameters *p = &model->network.parameters;
    const int64_t momentum = p->num_trainable_floats * (int64_t)sizeof(float);
    const struct loader_need need = loader_need_of(loader);
    struct nn *nn = NULL;
    *memory = (struct training_memory){
        .held = process_resident_bytes(),
        .parameters = p->num_floats * (int64_t)sizeof(float) + 2 * momentum,
        .loader = need.bytes,
        .padded = need.padded,
    };
    TRY(nn_create(&nn, &(struct nn_options){.device = NN_PLAN, .num_threads = 1}, err));
    plan_step(nn, &model->network, model->config.schedule.group, memory->padded);
    memory->step = nn->heap.peak_bytes;
    enum status status = nn_status(nn, err);
    nn_destroy(nn);
    memory->total = memory->held + momentum + memory->step + memory->loader;
    return status;
}
