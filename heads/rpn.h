// The region proposal network's head (Ren et al., 2015): one or two 3x3 convolutions with ReLU,
// then for each anchor of a position one logit (object or not) and four deltas. The same weights on
// all levels.
//
// Parameters have torchvision's names below "rpn.head.".
#pragma once

#include "base/option.h"
#include "heads/anchors.h"
#include "nn/gated_conv.h"

enum { RPN_MAX_CONVS = 2, RPN_LEVELS = 5 };

struct rpn_options {
    int64_t channels; // of the pyramid
    int64_t num_convs;
    struct option_doubles anchor_sizes;  // pixels, one for each level
    struct option_doubles anchor_ratios; // height over width
    enum anchor_rule anchor_rule;
    struct rpn_limits {
        int64_t pre_nms, post_nms; // see struct proposals
    } detecting, training;
    double nms_threshold;
    double min_side;
};

struct rpn {
    struct rpn_options options;
    struct gated_conv convs[RPN_MAX_CONVS];
    struct gated_conv logits;
    struct gated_conv deltas;
};

struct rpn_maps {
    struct tensor *logits[RPN_LEVELS]; // [n, h, w, anchors]
    struct tensor *deltas[RPN_LEVELS]; // [n, h, w, 4 anchors]
};

// The lists in options must live as long as the head.
void rpn_build(struct rpn *rpn, const struct rpn_options *options, struct parameters *parameters);

void rpn_forward(struct nn *nn, struct rpn *rpn, struct tensor *const levels[RPN_LEVELS],
                 struct rpn_maps *maps);

// Level i of the maps with its anchors; see rpn_propose for height and width.
struct proposal_level rpn_level(const struct rpn *rpn, const struct rpn_maps *maps, int i,
                                int64_t height, int64_t width);

// Those of the mode that nn is in.
struct rpn_limits rpn_limits_of(const struct nn *nn, const struct rpn *rpn);

// Fills list, whose capacity is n x post_nms, with the proposals of each image. The input of the
// network was height x width pixels, of which extents[n] hold the images.
void rpn_propose(struct nn *nn, const struct rpn *rpn, const struct rpn_maps *maps, int64_t height,
                 int64_t width, const struct extent *extents, struct box_list *list);
