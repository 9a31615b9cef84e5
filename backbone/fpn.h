// The feature pyramid (Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017): a
// 1x1 convolution brings each stage to the same channels, each level adds the enlarged one above,
// and a 3x3 convolution makes the result. P6 is P5 subsampled. No ReLU anywhere.
//
// Parameters have torchvision's names below "backbone.fpn.".
#pragma once

#include "backbone/resnet.h"

enum { FPN_LEVELS = 5 }; // P2..P6, strides 4 to 64

struct fpn_options {
    int64_t in_channels[RESNET_STAGES];
    int64_t channels; // 256
    struct norm_options norm;
};

struct fpn {
    struct gated_conv inner[RESNET_STAGES];
    struct gated_conv layer[RESNET_STAGES];
};

void fpn_build(struct fpn *fpn, const struct fpn_options *options, struct parameters *parameters);

// C2..C5 to P2..P6. Does not release the stages.
void fpn_forward(struct nn *nn, struct fpn *fpn, struct tensor *const stages[RESNET_STAGES],
                 struct tensor *levels[FPN_LEVELS]);
