// The box head: class scores and box deltas of each proposal (Girshick, "Fast R-CNN", 2015). Either
// two fully connected layers, or convolutions with a norm and one such layer ("4conv1fc"; Wu and
// He, "Group Normalization", ECCV 2018, section 4.2).
//
// Parameters have torchvision's names below "roi_heads.box_head." and "roi_heads.box_predictor.".
#pragma once

#include "heads/roi_head.h"
#include "nn/linear/linear.h"

struct box_head_options {
    int64_t channels;   // of the pyramid
    int64_t resolution; // of the pooled features; 7
    int64_t num_convs;  // 0 or 4
    int64_t conv_channels;
    int64_t num_linears; // 2 or 1
    int64_t hidden;      // 1024
    int64_t classes;     // with background, which is class 0
    struct norm_options norm;
    const struct gate_options *gate; // before each convolution; NULL: none
};

enum { BOX_HEAD_MAX_LINEARS = 2 };

struct box_head {
    struct box_head_options options;
    struct roi_convs convs;
    struct linear linears[BOX_HEAD_MAX_LINEARS];
    struct linear scores;
    struct linear deltas;
};

struct box_scores {
    struct tensor *feature; // [regions, 1, 1, hidden]
    struct tensor *logits;  // [regions, 1, 1, classes]
    struct tensor *deltas;  // [regions, 1, 1, 4 classes]
};

void box_head_build(struct box_head *head, const struct box_head_options *options,
                    struct parameters *parameters);

// pooled: [regions, resolution, resolution, channels], which is released.
struct box_scores box_head_forward(struct nn *nn, struct box_head *head, struct tensor *pooled);
