// What the box head and the mask head share: features of regions from the pyramid, and a chain of
// 3x3 convolutions over them.
#pragma once

#include "base/option.h"
#include "nn/gated_conv.h"
#include "nn/roi_align/roi_align.h"
#include "nn/roi_levels/roi_levels.h"

enum {
    ROI_LEVELS = 4, // P2..P5
    ROI_HEAD_MAX_CONVS = 8,
    ROI_HEAD_AT_ONCE = 8, // regions whose small maps are convolved together
};

struct roi_pooling {
    int64_t sampling; // see struct roi_align
    bool aligned;
    enum roi_level_rule level_rule;
};

struct roi_convs_options {
    const char *head; // "roi_heads.box_head"
    int64_t count;    // of convolutions
    int64_t in_channels, channels;
    struct norm_options norm;
    const struct gate_options *gate; // NULL: none
};

struct roi_convs {
    int64_t count;
    struct gated_conv layers[ROI_HEAD_MAX_CONVS];
};

// Layer I has the parameters HEAD.I.0 (convolution), HEAD.I.1 (norm) and HEAD.I.gct.
void roi_convs_build(struct roi_convs *convs, const struct roi_convs_options *options,
                     struct parameters *parameters);

// Runs all layers, each with ReLU; releases x.
struct tensor *roi_convs_forward(struct nn *nn, struct roi_convs *convs, struct tensor *x);

// [regions, size, size, c] from P2..P5. Sets regions->levels.
struct tensor *roi_pool(struct nn *nn, const struct roi_pooling *pooling, int64_t size,
                        struct tensor *const levels[ROI_LEVELS], struct box_list *regions);
