#include "backbone/fpn.h"

#include <stdio.h>

#include "nn/max_pool/max_pool.h"
#include "nn/upsample_add/upsample_add.h"

enum { NAME_BYTES = 64 };

static void build_layer(struct gated_conv *layer, const struct fpn_options *options,
                        const char *kind, int level, int64_t in, int64_t kernel,
                        struct parameters *parameters) {
    char conv[NAME_BYTES];
    char norm[NAME_BYTES];
    snprintf(conv, sizeof conv, "backbone.fpn.%s.%d.0", kind, level);
    snprintf(norm, sizeof norm, "backbone.fpn.%s.%d.1", kind, level);
    struct gated_conv_options shape = {
        .conv_name = conv,
        .norm_name = norm,
        .in_channels = in,
        .out_channels = options->channels,
        .kernel = kernel,
        .stride = 1,
        .norm = options->norm,
        .initial = initial_uniform_fan_in(in * kernel * kernel),
    };
    gated_conv_build(layer, &shape, parameters);
}

void fpn_build(struct fpn *fpn, const struct fpn_options *options, struct parameters *parameters) {
    for (int i = 0; i < RESNET_STAGES; i++)
        build_layer(&fpn->inner[i], options, "inner_blocks", i, options->in_channels[i], 1,
                    parameters);
    for (int i = 0; i < RESNET_STAGES; i++)
        build_layer(&fpn->layer[i], options, "layer_blocks", i, options->channels, 3, parameters);
}

void fpn_forward(struct nn *nn, struct fpn *fpn, struct tensor *const stages[RESNET_STAGES],
                 struct tensor *levels[FPN_LEVELS]) {
    struct tensor *above = NULL;
    for (int i = RESNET_STAGES - 1; i >= 0; i--) {
        struct tensor *inner = gated_conv_forward(nn, &fpn->inner[i], stages[i], NULL, false);
        nn_release(nn, stages[i]);
        if (above) {
            struct tensor *sum = upsample_add_forward(nn, inner, above);
            nn_release(nn, inner);
            nn_release(nn, above);
            inner = sum;
        }
        levels[i] = gated_conv_forward(nn, &fpn->layer[i], inner, NULL, false);
        above = inner;
    }
    nn_release(nn, above);
    levels[FPN_LEVELS - 1] = max_pool_forward(nn, levels[FPN_LEVELS - 2], 1, 2, 0);
}
