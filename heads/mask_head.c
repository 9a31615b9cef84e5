#include "heads/mask_head.h"

#include "nn/class_logits/class_logits.h"

static void build_deconv(struct deconv *deconv, int64_t channels, struct parameters *parameters) {
    int64_t shape[] = {channels, channels, 2, 2};
    *deconv = (struct deconv){
        .label = "roi_heads.mask_predictor.conv5_mask",
        .in_channels = channels,
        .out_channels = channels,
        .weight = parameter_add(parameters, PARAMETER_WEIGHT, 4, shape,
                                initial_normal_fan_out(channels * 4), "%s",
                                "roi_heads.mask_predictor.conv5_mask.weight"),
        .bias = parameter_add(parameters, PARAMETER_BIAS, 1, &channels, initial_constant(0), "%s",
                              "roi_heads.mask_predictor.conv5_mask.bias"),
    };
    deconv->weight->is_packed = true;
}

void mask_head_build(struct mask_head *head, const struct mask_head_options *options,
                     struct parameters *parameters) {
    head->options = *options;
    const struct roi_convs_options convs = {
        .head = "roi_heads.mask_head",
        .count = options->num_convs,
        .in_channels = options->channels,
        .channels = options->conv_channels,
        .norm = options->norm,
    };
    roi_convs_build(&head->convs, &convs, parameters);
    int64_t channels = options->num_convs ? options->conv_channels : options->channels;
    build_deconv(&head->deconv, channels, parameters);
    struct gated_conv_options logits = {
        .conv_name = "roi_heads.mask_predictor.mask_fcn_logits",
        .in_channels = channels,
        .out_channels = options->classes,
        .kernel = 1,
        .stride = 1,
        .images_at_once = ROI_HEAD_AT_ONCE,
        .float32_result = true,
        .initial = options->small_logits ? initial_normal(0.001)
                                         : initial_normal_fan_out(options->classes),
    };
    gated_conv_build(&head->logits, &logits, parameters);
    head->logits.conv.weight->is_packed = false; // detection reads one class's at a time
}

// What both predictors read.
static struct tensor *features_of(struct nn *nn, struct mask_head *head, struct tensor *pooled) {
    struct tensor *x = roi_convs_forward(nn, &head->convs, pooled);
    struct tensor *y = deconv_forward(nn, &head->deconv, x, true);
    nn_release(nn, x);
    return y;
}

struct tensor *mask_head_forward(struct nn *nn, struct mask_head *head, struct tensor *pooled) {
    struct tensor *features = features_of(nn, head, pooled);
    struct tensor *logits = gated_conv_forward(nn, &head->logits, features, NULL, false);
    nn_release(nn, features);
    return logits;
}

struct tensor *mask_head_detect(struct nn *nn, struct mask_head *head, struct tensor *pooled,
                                const int32_t *labels) {
    struct tensor *features = features_of(nn, head, pooled);
    struct tensor *logits = class_logits_forward(nn, &head->logits.conv, features, labels);
    nn_release(nn, features);
    return logits;
}
