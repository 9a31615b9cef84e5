// The mask head (He et al., "Mask R-CNN", ICCV 2017, section 3): convolutions, a transposed one
// that doubles the resolution, and for each class a map of logits.
//
// Parameters have torchvision's names below "roi_heads.mask_head." and "roi_heads.mask_predictor.".
#pragma once

#include "heads/roi_head.h"
#include "nn/deconv/deconv.h"

struct mask_head_options {
    int64_t channels;  // of the pyramid
    int64_t num_convs; // 4
    int64_t conv_channels;
    int64_t resolution; // of the pooled features; 14, the masks have twice that
    int64_t classes;    // with background
    bool small_logits;  // detectron2 draws fresh predictors with deviation 0.001
    struct norm_options norm;
};

struct mask_head {
    struct mask_head_options options;
    struct roi_convs convs;
    struct deconv deconv;
    struct gated_conv logits;
};

void mask_head_build(struct mask_head *head, const struct mask_head_options *options,
                     struct parameters *parameters);

// pooled: [regions, resolution, resolution, channels], which is released. Returns the logits
// [regions, 2 resolution, 2 resolution, classes].
struct tensor *mask_head_forward(struct nn *nn, struct mask_head *head, struct tensor *pooled);

// The same for detection: only the logits of labels[n], [regions, 2 resolution, 2 resolution, 1].
struct tensor *mask_head_detect(struct nn *nn, struct mask_head *head, struct tensor *pooled,
                                const int32_t *labels);
