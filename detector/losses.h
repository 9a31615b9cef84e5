// The five losses of Mask R-CNN for a batch with its truth (He et al., 2017, section 3; spelled out
// in Ren et al., 2015, and Girshick, 2015): objectness and boxes of anchors, classes, boxes and
// masks of regions. After the forward pass here, nn_backward puts the gradients into the
// parameters.
#pragma once

#include "detector/mask_rcnn.h"
#include "detector/object_masks.h"
#include "nn/sample/sample.h"

// The objects of one image, in the frame of the resized image.
struct image_truth {
    int64_t count;
    const float *boxes;              // [count, 4]
    const int32_t *labels;           // [count], from 1
    const struct object_mask *masks; // [count]
};

struct loss_settings {
    struct matching_rule anchor_rule; // 0.7, 0.3, keeping the best
    struct matching_rule region_rule; // 0.5, 0.5
    struct sampling anchors;          // rpn.sampled, half of them objects
    struct sampling regions;          // box.sampled, a quarter
    double weight;                    // what all losses are multiplied with; 1
    uint64_t seed;                    // of the sampling
    uint64_t step;                    // which training step this is
};

// The rules above with the numbers that the configuration has.
struct loss_settings loss_settings_of(const struct model_config *config);

// Each sums over its levels or regions and is divided by the number of sampled anchors (the first
// two), of sampled regions (the next two), of mask pixels of objects (the last).
struct losses {
    double objectness, anchor_box, classes, box, mask;
};

// What the losses are computed to, in step memory; NULL where there is none.
struct loss_tensors {
    const struct tensor *objectness[RPN_LEVELS], *anchor_box[RPN_LEVELS];
    const struct tensor *classes, *box, *mask;
};

// Runs the network in training mode on input (see mask_rcnn_features) and records the losses, whose
// values a device may still be computing. What is passed is not looked at again. After a failure
// (nn_status) the values mean nothing. An image may have no objects.
//
// On the plan device there are as many regions as there may be.
void mask_rcnn_losses_start(struct nn *nn, struct mask_rcnn *model, struct tensor *input,
                            const struct extent *extents, const struct image_truth *truths,
                            const struct loss_settings *settings, struct loss_tensors *tensors);

// Waits for their values. They are there until the next nn_begin, so that the program may record
// the backward pass first.
void losses_read(struct nn *nn, const struct loss_tensors *tensors, struct losses *losses);

// Both.
void mask_rcnn_losses(struct nn *nn, struct mask_rcnn *model, struct tensor *input,
                      const struct extent *extents, const struct image_truth *truths,
                      const struct loss_settings *settings, struct losses *losses);
