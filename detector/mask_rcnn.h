// Mask R-CNN (He et al., ICCV 2017) with a feature pyramid: the parts of backbone/ and heads/ put
// together, and their parameters.
//
//     struct mask_rcnn model;
//     TRY(mask_rcnn_build(&model, &config, &arena, false, err));
//     ... fill the parameters, tell them that they changed ...
//     nn_begin(nn, NN_INFERENCE);
//     mask_rcnn_features(nn, &model, input, &features);
//     mask_rcnn_propose(nn, &model, &features, extents, &proposals);
//     mask_rcnn_boxes(nn, &model, &features, &proposals, extents, &detections);
//     logits = mask_rcnn_masks(nn, &model, &features, &detections);
//
// A model belongs to one nn for life: its layers keep that nn's copies of their weights (nn/nn.h).
#pragma once

#include "detector/config.h"
#include "detector/conventions.h"

struct mask_rcnn {
    const struct model_config *config;
    const struct conventions_rules *rules;
    struct parameters parameters;
    struct resnet resnet;
    struct fpn fpn;
    struct rpn rpn;
    struct box_head box_head;
    struct mask_head mask_head;
    const struct parameter *first_of_fpn, *first_of_heads; // see nn_mark
};

// What the deltas of the box head are multiplied with (Ren et al., 2015).
extern const struct box_coding MASK_RCNN_BOX_CODING;

// What the heads read.
struct features {
    int64_t height, width;             // of the network's input
    struct tensor *levels[FPN_LEVELS]; // P2..P6
};

// The layers and the parameters' names and shapes, without memory for values: enough for the plan
// device, and to compare with a file. config and arena must live as long as the model, which must
// not move. parameters_allocate completes it.
MUST_CHECK enum status mask_rcnn_describe(struct mask_rcnn *model,
                                          const struct model_config *config, struct arena *arena,
                                          struct error *err);

// Describes the model and allocates its parameters (zeros), with gradients for training.
MUST_CHECK enum status mask_rcnn_build(struct mask_rcnn *model, const struct model_config *config,
                                       struct arena *arena, bool training, struct error *err);

// Parameters as papers count them: without frozen batch norms.
int64_t mask_rcnn_num_parameters(const struct mask_rcnn *model);

// input: [n, h, w, 3], sides multiples of 32 (detector/preprocess.h).
void mask_rcnn_features(struct nn *nn, struct mask_rcnn *model, struct tensor *input,
                        struct features *features);

// The following make their lists in step memory; extents[n] says where the images are in the input.
void mask_rcnn_propose(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                       const struct extent *extents, struct box_list *proposals);

void mask_rcnn_boxes(struct nn *nn, struct mask_rcnn *model, const struct features *features,
                     struct box_list *proposals, const struct extent *extents,
                     struct box_list *detections);

// [detections, 28, 28, 1]: the logits of each detection's class.
struct tensor *mask_rcnn_masks(struct nn *nn, struct mask_rcnn *model,
                               const struct features *features, struct box_list *detections);
