// RoIAlign (He et al., "Mask R-CNN", ICCV 2017, section 3): each box of an image becomes a small
// map of fixed size, read from the features between their positions.
//
// On each axis, with scale the level's and P the output size:
//     legacy   start = low scale          size = max(high scale - start, 1)
//     aligned  start = low scale - 1/2    size = high scale - 1/2 - start
//     bin = size / P                      S = sampling, or ceil(bin) if that is 0
//     sample i of bin p lies at start + p bin + (i + 1/2) bin / S
// A bin is the mean of its S x S bilinear reads (roi_align_math.h). The coordinates are computed in
// float in torchvision's order, so the samples are the same ones.
//
// No gradient flows to the boxes. A box that is not finite reads nothing: its outputs are 0.
#pragma once

#include "nn/nn.h"

enum { ROI_MAX_LEVELS = 4, ROI_ALIGN_MAX_OUTPUT = 64 };

struct rois {
    int64_t count;
    const float *boxes;    // [count, 4], x1 y1 x2 y2 in pixels of the network's image
    const int32_t *images; // [count], which of the batch
    const int32_t *levels; // [count], index into the pyramid
};

struct roi_pyramid {
    int num_levels;
    struct tensor *levels[ROI_MAX_LEVELS]; // of the same n and c
    float scales[ROI_MAX_LEVELS];          // image pixels to positions
};

struct roi_align {
    const char *label;
    int64_t output_size; // P; at most ROI_ALIGN_MAX_OUTPUT
    int64_t sampling;    // samples of a bin on each axis; 0: as many as positions, ceil(bin)
    bool aligned;
};

struct roi_align_call {
    struct call call;
    struct roi_align settings;
    struct roi_pyramid pyramid;
    struct rois rois;
};

// [count, P, P, c]. What rois points to is borrowed until nn_backward has run; the plan device
// looks at the count only.
struct tensor *roi_align_forward(struct nn *nn, const struct roi_align *settings,
                                 const struct roi_pyramid *pyramid, const struct rois *rois);
