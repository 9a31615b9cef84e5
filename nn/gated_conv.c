#include "nn/gated_conv.h"

#include <string.h>

#include "base/check.h"

static struct parameter *add_vector(struct parameters *parameters, enum parameter_kind kind,
                                    const char *layer, const char *leaf, int64_t size, double value,
                                    bool frozen) {
    struct parameter *p =
        parameter_add(parameters, kind, 1, &size, initial_constant(value), "%s.%s", layer, leaf);
    if (frozen) p->trainable = false;
    return p;
}

static void build_conv(struct conv *conv, const struct gated_conv_options *o,
                       struct parameters *parameters) {
    int64_t groups = o->groups ? o->groups : 1;
    CHECK(o->in_channels % groups == 0 && o->out_channels % groups == 0);
    const char *label =
        arena_copy_text(parameters->arena, o->conv_name, (int64_t)strlen(o->conv_name));
    if (!label) parameters->out_of_memory = true;
    *conv = (struct conv){
        .label = label,
        .in_channels = o->in_channels,
        .out_channels = o->out_channels,
        .groups = groups,
        .kernel = o->kernel,
        .stride = o->stride,
        .padding = o->kernel / 2,
        .images_at_once = o->images_at_once ? o->images_at_once : 1,
        .float32_result = o->float32_result,
    };
    int64_t shape[] = {o->out_channels, o->in_channels / groups, o->kernel, o->kernel};
    conv->weight = parameter_add(parameters, PARAMETER_WEIGHT, 4, shape, o->initial, "%s.weight",
                                 o->conv_name);
    conv->weight->is_packed = true;
    if (o->frozen) conv->weight->trainable = false;
    if (o->norm.kind == NORM_NONE)
        conv->bias = add_vector(parameters, PARAMETER_BIAS, o->conv_name, "bias", o->out_channels,
                                0, o->frozen);
}

static void build_norm(struct gated_conv *layer, const struct gated_conv_options *o,
                       struct parameters *parameters) {
    int64_t c = o->out_channels;
    layer->norm = o->norm.kind;
    if (o->norm.kind == NORM_FROZEN_BN)
        layer->frozen_norm = (struct frozen_norm){
            .weight = add_vector(parameters, PARAMETER_FROZEN_NORM_WEIGHT, o->norm_name, "weight",
                                 c, 1, true),
            .bias = add_vector(parameters, PARAMETER_FROZEN_NORM_BIAS, o->norm_name, "bias", c, 0,
                               true),
            .mean = add_vector(parameters, PARAMETER_NORM_MEAN, o->norm_name, "running_mean", c, 0,
                               true),
            .variance = add_vector(parameters, PARAMETER_NORM_VARIANCE, o->norm_name, "running_var",
                                   c, 1, true),
            .epsilon = (float)o->norm.epsilon,
        };
    if (o->norm.kind == NORM_GN)
        layer->group_norm = (struct group_norm){
            .label = layer->conv.label,
            .channels = c,
            .groups = o->norm.groups,
            .epsilon = (float)o->norm.epsilon,
            .weight = add_vector(parameters, PARAMETER_NORM_WEIGHT, o->norm_name, "weight", c, 1,
                                 o->frozen),
            .bias =
                add_vector(parameters, PARAMETER_NORM_BIAS, o->norm_name, "bias", c, 0, o->frozen),
        };
}

static void build_gate(struct gated_conv *layer, const struct gated_conv_options *o,
                       struct parameters *parameters) {
    layer->gated = true;
    layer->placement = o->gate->placement;
    int64_t c = o->gate->placement == GATE_BEFORE_CONV ? o->in_channels : o->out_channels;
    layer->gate = (struct gate){
        .label = layer->conv.label,
        .channels = c,
        .embedding = o->gate->embedding,
        .normalisation = o->gate->normalisation,
        .activation = o->gate->activation,
        .epsilon = (float)o->gate->epsilon,
        .alpha =
            add_vector(parameters, PARAMETER_GATE_ALPHA, o->gate_name, "alpha", c, 1, o->frozen),
        .gamma =
            add_vector(parameters, PARAMETER_GATE_GAMMA, o->gate_name, "gamma", c, 0, o->frozen),
        .beta = add_vector(parameters, PARAMETER_GATE_BETA, o->gate_name, "beta", c, 0, o->frozen),
    };
}

// after: whether one reads the layer's result.
static bool l2_gate_reads_conv(const struct gated_conv *layer, bool after) {
    bool gate_stands_behind = layer->gated && layer->placement != GATE_BEFORE_CONV;
    bool norm_between =
        layer->norm == NORM_GN && !(gate_stands_behind && layer->placement == GATE_BEFORE_NORM);
    if (norm_between) return false;
    return gate_stands_behind ? layer->gate.embedding == GATE_EMBEDDING_L2 : after;
}

void gated_conv_build(struct gated_conv *layer, const struct gated_conv_options *options,
                      struct parameters *parameters) {
    *layer = (struct gated_conv){.gated = false};
    if (options->gate && options->gate_name) {
        // The order of the parameters is that of the computation.
        build_gate(layer, options, parameters);
    }
    build_conv(&layer->conv, options, parameters);
    build_norm(layer, options, parameters);
    if (layer->gated) layer->gate.label = layer->conv.label;
    if (layer->gated && layer->placement == GATE_BEFORE_CONV) layer->conv.gate = &layer->gate;
    bool gate_reads_conv = layer->gated && layer->placement == GATE_BEFORE_NORM;
    if (layer->norm == NORM_FROZEN_BN && !gate_reads_conv) layer->conv.norm = &layer->frozen_norm;
    layer->conv.gate_follows = l2_gate_reads_conv(layer, options->gate_follows);
}

// One step of a chain: what it read is not needed further on, unless it is the layer's own input.
static struct tensor *next(struct nn *nn, struct tensor *made, struct tensor *read,
                           const struct tensor *input) {
    if (read != input) nn_release(nn, read);
    return made;
}

struct tensor *gated_conv_forward(struct nn *nn, struct gated_conv *layer, struct tensor *x,
                                  struct tensor *residual, bool relu) {
    bool gate_before_norm = layer->gated && layer->placement == GATE_BEFORE_NORM;
    bool gate_after_norm = layer->gated && layer->placement == GATE_AFTER_NORM;
    bool group_norm = layer->norm == NORM_GN;
    // The last operation adds the residual and cuts.
    bool conv_ends = !gate_before_norm && !gate_after_norm && !group_norm;
    struct tensor *y =
        conv_forward(nn, &layer->conv, x, conv_ends ? residual : NULL, conv_ends && relu);
    if (gate_before_norm) {
        bool ends = !group_norm;
        const struct frozen_norm *norm = layer->norm == NORM_FROZEN_BN ? &layer->frozen_norm : NULL;
        y = next(nn, gate_forward(nn, &layer->gate, y, norm, ends ? residual : NULL, ends && relu),
                 y, x);
    }
    if (group_norm) {
        bool ends = !gate_after_norm;
        y = next(
            nn, group_norm_forward(nn, &layer->group_norm, y, ends ? residual : NULL, ends && relu),
            y, x);
    }
    if (gate_after_norm)
        y = next(nn, gate_forward(nn, &layer->gate, y, NULL, residual, relu), y, x);
    return y;
}
