#include "heads/rpn.h"

#include <stdio.h>

#include "base/check.h"

static void build_conv(struct gated_conv *layer, const char *name, int64_t in, int64_t out,
                       int64_t kernel, struct parameters *parameters) {
    struct gated_conv_options shape = {
        .conv_name = name,
        .in_channels = in,
        .out_channels = out,
        .kernel = kernel,
        .stride = 1,
        .initial = initial_normal(0.01),
    };
    gated_conv_build(layer, &shape, parameters);
}

void rpn_build(struct rpn *rpn, const struct rpn_options *options, struct parameters *parameters) {
    CHECK(options->num_convs >= 1 && options->num_convs <= RPN_MAX_CONVS);
    CHECK(options->anchor_sizes.count == RPN_LEVELS);
    rpn->options = *options;
    int64_t c = options->channels;
    int64_t anchors = options->anchor_ratios.count;
    for (int64_t i = 0; i < options->num_convs; i++) {
        char name[64];
        snprintf(name, sizeof name, "rpn.head.conv.%lld.0", (long long)i);
        build_conv(&rpn->convs[i], name, c, c, 3, parameters);
    }
    build_conv(&rpn->logits, "rpn.head.cls_logits", c, anchors, 1, parameters);
    build_conv(&rpn->deltas, "rpn.head.bbox_pred", c, 4 * anchors, 1, parameters);
    rpn->logits.conv.float32_result = true;
    rpn->deltas.conv.float32_result = true;
}

void rpn_forward(struct nn *nn, struct rpn *rpn, struct tensor *const levels[RPN_LEVELS],
                 struct rpn_maps *maps) {
    for (int i = 0; i < RPN_LEVELS; i++) {
        struct tensor *x = levels[i];
        for (int64_t j = 0; j < rpn->options.num_convs; j++) {
            struct tensor *y = gated_conv_forward(nn, &rpn->convs[j], x, NULL, true);
            if (x != levels[i]) nn_release(nn, x);
            x = y;
        }
        maps->logits[i] = gated_conv_forward(nn, &rpn->logits, x, NULL, false);
        maps->deltas[i] = gated_conv_forward(nn, &rpn->deltas, x, NULL, false);
        nn_release(nn, x);
    }
}

// parity: torchvision divides the padded size by the grid's, in whole pixels; for the sizes that
// the pyramid makes this is the stride that detectron2 takes.
struct proposal_level rpn_level(const struct rpn *rpn, const struct rpn_maps *maps, int i,
                                int64_t height, int64_t width) {
    int64_t stride_x = width / maps->logits[i]->w;
    int64_t stride_y = height / maps->logits[i]->h;
    struct proposal_level level = {
        .logits = maps->logits[i],
        .deltas = maps->deltas[i],
        .stride_x = (float)stride_x,
        .stride_y = (float)stride_y,
    };
    const struct rpn_options *o = &rpn->options;
    anchor_cells(o->anchor_rule, o->anchor_sizes.items[i], o->anchor_ratios.items,
                 o->anchor_ratios.count, level.cells);
    return level;
}

struct rpn_limits rpn_limits_of(const struct nn *nn, const struct rpn *rpn) {
    return nn->mode == NN_TRAINING ? rpn->options.training : rpn->options.detecting;
}

void rpn_propose(struct nn *nn, const struct rpn *rpn, const struct rpn_maps *maps, int64_t height,
                 int64_t width, const struct extent *extents, struct box_list *list) {
    const struct rpn_options *o = &rpn->options;
    struct rpn_limits limits = rpn_limits_of(nn, rpn);
    struct proposals proposals = {
        .num_levels = RPN_LEVELS,
        .num_anchors = o->anchor_ratios.count,
        .extents = extents,
        .pre_nms = limits.pre_nms,
        .post_nms = limits.post_nms,
        .nms_threshold = (float)o->nms_threshold,
        .min_side = (float)o->min_side,
    };
    for (int i = 0; i < RPN_LEVELS; i++)
        proposals.levels[i] = rpn_level(rpn, maps, i, height, width);
    proposals_forward(nn, &proposals, list);
}
