#include "heads/roi_head.h"

#include <stdio.h>

#include "base/check.h"

void roi_convs_build(struct roi_convs *convs, const struct roi_convs_options *options,
                     struct parameters *parameters) {
    CHECK(options->count >= 0 && options->count <= ROI_HEAD_MAX_CONVS);
    convs->count = options->count;
    for (int64_t i = 0; i < options->count; i++) {
        char conv[64];
        char norm[64];
        char gate[64];
        snprintf(conv, sizeof conv, "%s.%lld.0", options->head, (long long)i);
        snprintf(norm, sizeof norm, "%s.%lld.1", options->head, (long long)i);
        snprintf(gate, sizeof gate, "%s.%lld.gct", options->head, (long long)i);
        struct gated_conv_options shape = {
            .conv_name = conv,
            .norm_name = norm,
            .gate_name = gate,
            .in_channels = i == 0 ? options->in_channels : options->channels,
            .out_channels = options->channels,
            .kernel = 3,
            .stride = 1,
            .images_at_once = ROI_HEAD_AT_ONCE,
            .norm = options->norm,
            .gate = options->gate,
            .initial = initial_normal_fan_out(options->channels * 9),
        };
        gated_conv_build(&convs->layers[i], &shape, parameters);
    }
}

struct tensor *roi_convs_forward(struct nn *nn, struct roi_convs *convs, struct tensor *x) {
    for (int64_t i = 0; i < convs->count; i++) {
        struct tensor *y = gated_conv_forward(nn, &convs->layers[i], x, NULL, true);
        nn_release(nn, x);
        x = y;
    }
    return x;
}

struct tensor *roi_pool(struct nn *nn, const struct roi_pooling *pooling, int64_t size,
                        struct tensor *const levels[ROI_LEVELS], struct box_list *regions) {
    roi_levels_forward(nn, regions, pooling->level_rule, ROI_LEVELS);
    const struct roi_align settings = {
        .label = "roi_align",
        .output_size = size,
        .sampling = pooling->sampling,
        .aligned = pooling->aligned,
    };
    struct roi_pyramid pyramid = {.num_levels = ROI_LEVELS};
    for (int i = 0; i < ROI_LEVELS; i++) {
        pyramid.levels[i] = levels[i];
        pyramid.scales[i] = 1.0f / (float)(4 << i);
    }
    const struct rois rois = {regions->count, regions->boxes, regions->images, regions->levels};
    return roi_align_forward(nn, &settings, &pyramid, &rois);
}
