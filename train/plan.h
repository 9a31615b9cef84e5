// A detection and a training step on the plan device, which computes nothing: for those who count
// memory or work. With as many regions and detections as there may be.
#pragma once

#include "detector/mask_rcnn.h"

// padded: the network's input.
void plan_detection(struct nn *nn, struct mask_rcnn *model, int64_t num_images,
                    struct extent padded);

// The losses and their gradients; model has gradients.
void plan_training(struct nn *nn, struct mask_rcnn *model, int64_t num_images,
                   struct extent padded);

// What follows: the gradients' norm and the optimiser.
void plan_update(struct nn *nn, struct mask_rcnn *model);
