#include "backbone/resnet.h"

#include <stdio.h>

#include "base/check.h"
#include "nn/max_pool/max_pool.h"

enum { NAME_BYTES = 96 };

// Where a block stands and what it has to do.
struct block_plan {
    char name[NAME_BYTES]; // "backbone.body.layer1.0"
    int64_t in, middle, out;
    int64_t stride;
    bool frozen;
    bool is_last;
};

int64_t resnet_stage_channels(const struct resnet_options *options, int stage) {
    return options->width * RESNET_EXPANSION << stage;
}

// The names of a layer's three parts.
struct names {
    char conv[NAME_BYTES + 32], norm[NAME_BYTES + 32], gate[NAME_BYTES + 32];
};

static struct names names_of(const char *block, const char *conv, const char *norm,
                             const char *gate) {
    struct names names;
    snprintf(names.conv, sizeof names.conv, "%s.%s", block, conv);
    snprintf(names.norm, sizeof names.norm, "%s.%s", block, norm);
    snprintf(names.gate, sizeof names.gate, "%s.%s", block, gate);
    return names;
}

static void build_layer(struct gated_conv *layer, const struct resnet_options *options,
                        struct gated_conv_options shape, const struct names *names,
                        struct parameters *parameters) {
    shape.conv_name = names->conv;
    shape.norm_name = names->norm;
    shape.norm = options->norm;
    if (options->attention == ATTENTION_GCT) {
        shape.gate_name = names->gate;
        shape.gate = &options->gate;
    }
    int64_t groups = shape.groups ? shape.groups : 1;
    shape.initial =
        initial_uniform_fan_in(shape.in_channels / groups * shape.kernel * shape.kernel);
    gated_conv_build(layer, &shape, parameters);
}

static void build_squeeze_excite(struct squeeze_excite *se, const struct block_plan *plan,
                                 const struct gated_conv *before, struct parameters *parameters) {
    int64_t hidden = plan->out / SQUEEZE_EXCITE_REDUCTION;
    int64_t squeeze[] = {hidden, plan->out};
    int64_t excite[] = {plan->out, hidden};
    *se = (struct squeeze_excite){
        .label = before->conv.label,
        .channels = plan->out,
        .hidden = hidden,
        .fc1_weight =
            parameter_add(parameters, PARAMETER_WEIGHT, 2, squeeze,
                          initial_uniform_fan_in(plan->out), "%s.se.fc1.weight", plan->name),
        .fc1_bias = parameter_add(parameters, PARAMETER_BIAS, 1, &squeeze[0], initial_constant(0),
                                  "%s.se.fc1.bias", plan->name),
        .fc2_weight = parameter_add(parameters, PARAMETER_WEIGHT, 2, excite,
                                    initial_uniform_fan_in(hidden), "%s.se.fc2.weight", plan->name),
        .fc2_bias = parameter_add(parameters, PARAMETER_BIAS, 1, &excite[0], initial_constant(0),
                                  "%s.se.fc2.bias", plan->name),
    };
    struct parameter *all[] = {se->fc1_weight, se->fc1_bias, se->fc2_weight, se->fc2_bias};
    for (int i = 0; plan->frozen && i < 4; i++)
        all[i]->trainable = false;
}

static bool has_l2_gates_before_convs(const struct resnet_options *options) {
    return options->attention == ATTENTION_GCT && options->gate.placement == GATE_BEFORE_CONV &&
           options->gate.embedding == GATE_EMBEDDING_L2;
}

static void build_block(struct bottleneck *block, const struct resnet_options *options,
                        const struct block_plan *plan, struct parameters *parameters) {
    *block = (struct bottleneck){.has_downsample = plan->stride != 1 || plan->in != plan->out};
    bool gates = has_l2_gates_before_convs(options);
    struct gated_conv_options shape = {.kernel = 1, .stride = 1, .frozen = plan->frozen};

    shape.gate_follows = gates;
    shape.in_channels = plan->in;
    shape.out_channels = plan->middle;
    shape.stride = options->stride_in_1x1 ? plan->stride : 1;
    struct names names = names_of(plan->name, "conv1", "bn1", "gct1");
    build_layer(&block->conv1, options, shape, &names, parameters);

    shape.in_channels = plan->middle;
    shape.kernel = 3;
    shape.groups = options->groups;
    shape.stride = options->stride_in_1x1 ? 1 : plan->stride;
    names = names_of(plan->name, "conv2", "bn2", "gct2");
    build_layer(&block->conv2, options, shape, &names, parameters);

    shape.gate_follows = gates && !plan->is_last;
    shape.out_channels = plan->out;
    shape.kernel = 1;
    shape.groups = 1;
    shape.stride = 1;
    names = names_of(plan->name, "conv3", "bn3", "gct3");
    build_layer(&block->conv3, options, shape, &names, parameters);

    if (options->attention == ATTENTION_SE) {
        block->has_squeeze_excite = true;
        build_squeeze_excite(&block->squeeze_excite, plan, &block->conv3, parameters);
    }
    if (!block->has_downsample) return;
    shape.gate_follows = false;
    shape.in_channels = plan->in;
    shape.stride = plan->stride;
    names = names_of(plan->name, "downsample.0", "downsample.1", "downsample.gct");
    build_layer(&block->downsample, options, shape, &names, parameters);
}

static void build_stem(struct gated_conv *stem, const struct resnet_options *options,
                       struct parameters *parameters) {
    struct gated_conv_options shape = {
        .in_channels = 3,
        .out_channels = options->width,
        .kernel = 7,
        .stride = 2,
        .frozen = options->freeze_at >= 1,
    };
    struct names names = names_of("backbone.body", "conv1", "bn1", "gct1");
    build_layer(stem, options, shape, &names, parameters);
}

enum status resnet_build(struct resnet *resnet, const struct resnet_options *options,
                         struct parameters *parameters, struct error *err) {
    build_stem(&resnet->stem, options, parameters);
    int64_t in = options->width;
    for (int stage = 0; stage < RESNET_STAGES; stage++) {
        int64_t count = options->blocks[stage];
        CHECK(count >= 1);
        struct bottleneck *blocks = arena_alloc_zero(parameters->arena, count, sizeof *blocks);
        if (!blocks) return error_memory(err, "a backbone", count * (int64_t)sizeof *blocks);
        resnet->num_blocks[stage] = count;
        resnet->blocks[stage] = blocks;
        int64_t first = parameters->count;
        for (int64_t i = 0; i < count; i++) {
            struct block_plan plan = {
                .in = in,
                // The 3x3's channels: groups x their width, 64 for an ordinary ResNet.
                .middle = options->groups * options->group_width << stage,
                .out = resnet_stage_channels(options, stage),
                .stride = i == 0 && stage > 0 ? 2 : 1,
                .frozen = options->freeze_at >= stage + 2,
                .is_last = stage == RESNET_STAGES - 1 && i == count - 1,
            };
            snprintf(plan.name, sizeof plan.name, "backbone.body.layer%d.%lld", stage + 1,
                     (long long)i);
            build_block(&blocks[i], options, &plan, parameters);
            in = plan.out;
        }
        if (first < parameters->count) resnet->first[stage] = parameters->items[first];
    }
    return STATUS_OK;
}

static struct tensor *block_forward(struct nn *nn, struct bottleneck *block, struct tensor *x) {
    struct tensor *shortcut =
        block->has_downsample ? gated_conv_forward(nn, &block->downsample, x, NULL, false) : x;
    struct tensor *a = gated_conv_forward(nn, &block->conv1, x, NULL, true);
    struct tensor *b = gated_conv_forward(nn, &block->conv2, a, NULL, true);
    nn_release(nn, a);
    struct tensor *y = NULL;
    if (block->has_squeeze_excite) {
        struct tensor *c = gated_conv_forward(nn, &block->conv3, b, NULL, false);
        y = squeeze_excite_forward(nn, &block->squeeze_excite, c, shortcut, true);
        nn_release(nn, c);
    } else {
        y = gated_conv_forward(nn, &block->conv3, b, shortcut, true);
    }
    nn_release(nn, b);
    if (shortcut != x) nn_release(nn, shortcut);
    return y;
}

void resnet_forward(struct nn *nn, struct resnet *resnet, struct tensor *image,
                    struct tensor *stages[RESNET_STAGES]) {
    struct tensor *stem = gated_conv_forward(nn, &resnet->stem, image, NULL, true);
    struct tensor *x = max_pool_forward(nn, stem, 3, 2, 1);
    nn_release(nn, image);
    nn_release(nn, stem);
    for (int stage = 0; stage < RESNET_STAGES; stage++) {
        nn_mark(nn, resnet->first[stage]);
        for (int64_t i = 0; i < resnet->num_blocks[stage]; i++) {
            struct tensor *y = block_forward(nn, &resnet->blocks[stage][i], x);
            // A stage's result stays for the caller.
            if (i > 0 || stage == 0) nn_release(nn, x);
            x = y;
        }
        stages[stage] = x;
    }
}
