#include "detector/mask_rcnn.h"

#include "base/check.h"

enum { INPUT_MULTIPLE = 32 }; // the coarsest stage's stride

const struct box_coding MASK_RCNN_BOX_CODING = {10, 10, 5, 5};

enum status mask_rcnn_describe(struct mask_rcnn *model, const struct model_config *config,
                               struct arena *arena, bool training, struct error *err) {
    *model = (struct mask_rcnn){
        .config = config,
        .rules = conventions_of((enum conventions)config->conventions),
    };
    struct gate_options gate;
    struct resnet_options resnet = model_config_resnet(config);
    struct fpn_options fpn = model_config_fpn(config);
    struct rpn_options rpn = model_config_rpn(config, training);
    struct box_head_options box_head = model_config_box_head(config, &gate);
    struct mask_head_options mask_head = model_config_mask_head(config);
    parameters_init(&model->parameters, arena);
    TRY(resnet_build(&model->resnet, &resnet, &model->parameters, err));
    fpn_build(&model->fpn, &fpn, &model->parameters);
    rpn_build(&model->rpn, &rpn, &model->parameters);
    box_head_build(&model->box_head, &box_head, &model->parameters);
    mask_head_build(&model->mask_head, &mask_head, &model->parameters);
    if (model->parameters.out_of_memory) return error_memory(err, "a list of parameters", 0);
    return STATUS_OK;
}

enum status mask_rcnn_build(struct mask_rcnn *model, const struct model_config *config,
                            struct arena *arena, bool training, struct error *err) {
    TRY(mask_rcnn_describe(model, config, arena, training, err));
    return parameters_allocate(&model->parameters, training, err);
}

int64_t mask_rcnn_num_parameters(const struct mask_rcnn *model) {
    int64_t total = 0;
    for (int64_t i = 0; i < model->parameters.count; i++) {
        const struct parameter *p = model->parameters.items[i];
        if (!parameter_is_frozen_norm(p)) total += p->count;
    }
    return total;
}

void mask_rcnn_features(struct nn *nn, struct mask_rcnn *model, struct tensor *input,
                        struct features *features) {
    CHECK(input->c == 3 && input->h % INPUT_MULTIPLE == 0 && input->w % INPUT_MULTIPLE == 0);
    struct tensor *stages[RESNET_STAGES];
    features->height = input->h;
    features->width = input->w;
    resnet_forward(nn, &model->resnet, input, stages);
    fpn_forward(nn, &model->fpn, stages, features->levels);
    for (int i = 0; i < RESNET_STAGES; i++)
        nn_release(nn, stages[i]);
}

void mask_rcnn_propose(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                       const struct extent *extents, struct box_list *proposals) {
    struct rpn_maps maps;
    rpn_forward(nn, &model->rpn, features->levels, &maps);
    box_list_create(nn, proposals, features->levels[0]->n * model->rpn.options.post_nms);
    rpn_propose(nn, &model->rpn, &maps, features->height, features->width, extents, proposals);
    for (int i = 0; i < RPN_LEVELS; i++) {
        nn_release(nn, maps.logits[i]);
        nn_release(nn, maps.deltas[i]);
    }
}

void mask_rcnn_boxes(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                     struct box_list *proposals, const struct extent *extents,
                     struct box_list *detections) {
    const struct model_config *config = model->config;
    struct tensor *pooled = roi_pool(nn, &model->rules->roi_pooling, config->box.resolution,
                                     features->levels, proposals);
    struct box_scores scores = box_head_forward(nn, &model->box_head, pooled);
    const struct detections settings = {
        .logits = scores.logits,
        .deltas = scores.deltas,
        .proposals = proposals,
        .extents = extents,
        .num_images = features->levels[0]->n,
        .coding = MASK_RCNN_BOX_CODING,
        .score_threshold = (float)config->box.score,
        .nms_threshold = (float)config->box.nms,
        .min_side = (float)model->rules->detection_min_side,
        .max_detections = config->box.detections,
    };
    box_list_create(nn, detections, settings.num_images * settings.max_detections);
    detections_forward(nn, &settings, detections);
    nn_release(nn, scores.feature);
    nn_release(nn, scores.logits);
    nn_release(nn, scores.deltas);
}

struct tensor *mask_rcnn_masks(struct nn *nn, struct mask_rcnn *model,
                               const struct features *features, struct box_list *detections) {
    struct tensor *pooled = roi_pool(nn, &model->rules->roi_pooling, model->config->mask.resolution,
                                     features->levels, detections);
    return mask_head_detect(nn, &model->mask_head, pooled, detections->labels);
}
