#include "heads/box_head.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static void build_linear(struct linear *linear, const char *name, int64_t in, int64_t out,
                         struct initial initial, struct parameters *parameters) {
    int64_t shape[] = {out, in};
    *linear = (struct linear){.in = in, .out = out};
    linear->weight =
        parameter_add(parameters, PARAMETER_WEIGHT, 2, shape, initial, "%s.weight", name);
    linear->weight->is_packed = true;
    linear->bias =
        parameter_add(parameters, PARAMETER_BIAS, 1, &out, initial_constant(0), "%s.bias", name);
    linear->label = arena_copy_text(parameters->arena, name, (int64_t)strlen(name));
    if (!linear->label) parameters->out_of_memory = true;
}

void box_head_build(struct box_head *head, const struct box_head_options *options,
                    struct parameters *parameters) {
    CHECK(options->num_linears >= 1 && options->num_linears <= BOX_HEAD_MAX_LINEARS);
    head->options = *options;
    const struct roi_convs_options convs = {
        .head = "roi_heads.box_head",
        .count = options->num_convs,
        .in_channels = options->channels,
        .channels = options->conv_channels,
        .norm = options->norm,
        .gate = options->gate,
    };
    roi_convs_build(&head->convs, &convs, parameters);
    int64_t channels = options->num_convs ? options->conv_channels : options->channels;
    int64_t in = channels * options->resolution * options->resolution;
    for (int64_t i = 0; i < options->num_linears; i++) {
        char name[64];
        // torchvision numbers the layers of a head with convolutions: the flattening is one, too.
        if (options->num_convs)
            snprintf(name, sizeof name, "roi_heads.box_head.%lld",
                     (long long)options->num_convs + 1 + 2 * i);
        else
            snprintf(name, sizeof name, "roi_heads.box_head.fc%lld", (long long)i + 6);
        build_linear(&head->linears[i], name, in, options->hidden, initial_uniform_fan_in(in),
                     parameters);
        in = options->hidden;
    }
    build_linear(&head->scores, "roi_heads.box_predictor.cls_score", in, options->classes,
                 initial_normal(0.01), parameters);
    build_linear(&head->deltas, "roi_heads.box_predictor.bbox_pred", in, 4 * options->classes,
                 initial_normal(0.001), parameters);
    head->scores.float32_result = true;
    head->deltas.float32_result = true;
}

struct box_scores box_head_forward(struct nn *nn, struct box_head *head, struct tensor *pooled) {
    struct tensor *x = roi_convs_forward(nn, &head->convs, pooled);
    for (int64_t i = 0; i < head->options.num_linears; i++) {
        struct tensor *y = linear_forward(nn, &head->linears[i], x, true);
        nn_release(nn, x);
        x = y;
    }
    return (struct box_scores){
        .feature = x,
        .logits = linear_forward(nn, &head->scores, x, false),
        .deltas = linear_forward(nn, &head->deltas, x, false),
    };
}
