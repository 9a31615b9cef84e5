#include "detector/mask_rcnn.h"

#include <math.h>

#include "base/check.h"

enum { INPUT_MULTIPLE = 32 }; // the coarsest stage's stride

const struct box_coding MASK_RCNN_BOX_CODING = {10, 10, 5, 5};

enum status mask_rcnn_describe(struct mask_rcnn *model, const struct model_config *config,
                               struct arena *arena, struct error *err) {
    *model = (struct mask_rcnn){
        .config = config,
        .rules = conventions_of((enum conventions)config->conventions),
    };
    struct gate_options gate;
    struct resnet_options resnet = model_config_resnet(config);
    struct fpn_options fpn = model_config_fpn(config);
    struct rpn_options rpn = model_config_rpn(config);
    struct box_head_options box_head = model_config_box_head(config, &gate);
    struct mask_head_options mask_head = model_config_mask_head(config);
    parameters_init(&model->parameters, arena);
    TRY(resnet_build(&model->resnet, &resnet, &model->parameters, err));
    int64_t first_of_fpn = model->parameters.count;
    fpn_build(&model->fpn, &fpn, &model->parameters);
    int64_t first_of_heads = model->parameters.count;
    rpn_build(&model->rpn, &rpn, &model->parameters);
    box_head_build(&model->box_head, &box_head, &model->parameters);
    mask_head_build(&model->mask_head, &mask_head, &model->parameters);
    if (model->parameters.out_of_memory) return error_memory(err, "a list of parameters", 0);
    model->first_of_fpn = model->parameters.items[first_of_fpn];
    model->first_of_heads = model->parameters.items[first_of_heads];
    return STATUS_OK;
}

enum status mask_rcnn_build(struct mask_rcnn *model, const struct model_config *config,
                            struct arena *arena, bool training, struct error *err) {
    TRY(mask_rcnn_describe(model, config, arena, err));
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
    nn_mark(nn, model->first_of_fpn);
    fpn_forward(nn, &model->fpn, stages, features->levels);
    nn_mark(nn, model->first_of_heads);
}

// In comparisons a number that is none passes for a small one, so that the network would seem to
// find nothing. Training has its own watch over what it computes.
static void require_finite(struct nn *nn, const struct tensor *t, const char *what) {
    if (nn->mode != NN_INFERENCE || nn->device != NN_CPU || nn_failed(nn)) return;
    bool finite = true;
    for (int64_t i = 0; i < tensor_count(t); i++)
        finite &= isfinite(t->data[i]);
    if (!finite)
        nn_fail(nn, STATUS_DATA,
                "the network's %s are not finite numbers: its weights or settings are out of range",
                what);
}

void mask_rcnn_propose(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                       const struct extent *extents, struct box_list *proposals) {
    struct rpn_maps maps;
    rpn_forward(nn, &model->rpn, features->levels, &maps);
    for (int i = 0; i < RPN_LEVELS; i++) {
        require_finite(nn, maps.logits[i], "scores of proposals");
        require_finite(nn, maps.deltas[i], "boxes of proposals");
    }
    box_list_create(nn, proposals,
                    features->levels[0]->n * rpn_limits_of(nn, &model->rpn).post_nms);
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
    require_finite(nn, scores.logits, "scores");
    require_finite(nn, scores.deltas, "boxes");
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
    for (int i = 0; i < FPN_LEVELS; i++)
        nn_release(nn, features->levels[i]);
    struct tensor *logits = mask_head_detect(nn, &model->mask_head, pooled, detections->labels);
    require_finite(nn, logits, "masks");
    return logits;
}
