#include "detector/config.h"

#include <string.h>

#include "detector/conventions.h"

static const int64_t BLOCKS[][RESNET_STAGES] = {{3, 4, 6, 3}, {3, 4, 23, 3}, {3, 8, 36, 3}};

// A configuration that holds a name and an id for each class must stay within CONFIG_MAX_VALUES.
enum { MAX_CLASSES = 4000 };

// ---- Checks ----

static enum status check_count(const char *name, int64_t found, int64_t expected,
                               struct error *err) {
    if (found == expected) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: %lld values, expected %lld", name, (long long)found,
                     (long long)expected);
}

static enum status check_groups(const char *name, int64_t channels, int64_t groups,
                                struct error *err) {
    if (channels % groups == 0) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: %lld channels do not divide into %lld groups", name,
                     (long long)channels, (long long)groups);
}

static enum status check_norms(const struct model_config *c, struct error *err) {
    int64_t groups = c->norm_groups;
    int64_t middle = c->backbone.groups * c->backbone.group_width;
    if (c->backbone.norm == NORM_NONE)
        return error_set(err, STATUS_DATA, "backbone.norm: a backbone needs frozen_bn or gn");
    if (c->backbone.norm == NORM_GN) {
        TRY(check_groups("backbone.width", c->backbone.width, groups, err));
        TRY(check_groups("backbone.group_width", middle, groups, err));
    }
    if (c->fpn.norm == NORM_GN) TRY(check_groups("fpn.channels", c->fpn.channels, groups, err));
    if (c->box.norm == NORM_GN && c->box.convs > 0)
        TRY(check_groups("box.conv_channels", c->box.conv_channels, groups, err));
    if (c->mask.norm == NORM_GN && c->mask.convs > 0)
        TRY(check_groups("mask.conv_channels", c->mask.conv_channels, groups, err));
    return STATUS_OK;
}

static enum status check_classes(const struct model_config *c, struct error *err) {
    const struct option_texts *names = &c->classes.names;
    const struct option_ints *ids = &c->classes.ids;
    if (names->count < 1 || names->count > MAX_CLASSES)
        return error_set(err, STATUS_DATA, "classes.names: %lld names, expected 1 to %d",
                         (long long)names->count, MAX_CLASSES);
    if (ids->count > 0) TRY(check_count("classes.ids", ids->count, names->count, err));
    for (int64_t i = 0; i < ids->count; i++)
        for (int64_t j = 0; j < i; j++)
            if (ids->items[i] == ids->items[j])
                return error_set(err, STATUS_DATA, "classes.ids: %lld stands there twice",
                                 (long long)ids->items[i]);
    return STATUS_OK;
}

static enum status check_attention(const struct model_config *c, struct error *err) {
    int64_t narrowest = c->backbone.width * RESNET_EXPANSION;
    if (c->backbone.attention == ATTENTION_SE && narrowest < SQUEEZE_EXCITE_REDUCTION)
        return error_set(err, STATUS_DATA,
                         "backbone.attention: se needs a backbone.width of at least %d",
                         SQUEEZE_EXCITE_REDUCTION / RESNET_EXPANSION);
    if (c->box.gct && c->box.convs == 0)
        return error_set(err, STATUS_DATA, "box.gct: there are no convolutions (box.convs is 0)");
    return STATUS_OK;
}

static enum status check_training(const struct model_config *c, struct error *err) {
    int64_t batch = c->schedule.batch;
    int64_t group = c->schedule.group;
    if (batch % group != 0)
        return error_set(err, STATUS_DATA,
                         "schedule.batch: %lld is not a multiple of schedule.group, %lld",
                         (long long)batch, (long long)group);
    const struct option_ints *drops = &c->schedule.drops;
    for (int64_t i = 1; i < drops->count; i++)
        if (drops->items[i] <= drops->items[i - 1])
            return error_set(err, STATUS_DATA, "schedule.drops: %lld does not come after %lld",
                             (long long)drops->items[i], (long long)drops->items[i - 1]);
    const struct option_doubles *jitter = &c->augment.jitter;
    if (jitter->count == 0) return STATUS_OK;
    TRY(check_count("augment.jitter", jitter->count, 2, err));
    if (jitter->items[0] <= jitter->items[1]) return STATUS_OK;
    return error_set(err, STATUS_DATA, "augment.jitter: %g is more than %g", jitter->items[0],
                     jitter->items[1]);
}

enum status model_config_check(const struct model_config *c, struct error *err) {
    TRY(check_classes(c, err));
    TRY(check_count("input.mean", c->input.mean.count, 3, err));
    TRY(check_count("input.std", c->input.std.count, 3, err));
    if (c->input.long_side < c->input.short_side)
        return error_set(err, STATUS_DATA, "input.long_side: %lld is less than input.short_side",
                         (long long)c->input.long_side);
    if (c->backbone.blocks.count > 0)
        TRY(check_count("backbone.blocks", c->backbone.blocks.count, RESNET_STAGES, err));
    TRY(check_count("rpn.anchor_sizes", c->rpn.anchor_sizes.count, RPN_LEVELS, err));
    int64_t ratios = c->rpn.anchor_ratios.count;
    if (ratios < 1 || ratios > PROPOSALS_MAX_ANCHORS)
        return error_set(err, STATUS_DATA, "rpn.anchor_ratios: %lld values, expected 1 to %d",
                         (long long)ratios, PROPOSALS_MAX_ANCHORS);
    TRY(check_attention(c, err));
    TRY(check_training(c, err));
    return check_norms(c, err);
}

// ---- For the builders ----

int64_t model_config_num_classes(const struct model_config *config) {
    return config->classes.names.count + 1;
}

static struct norm_options norm_of(const struct model_config *c, int kind) {
    return (struct norm_options){
        .kind = (enum norm_kind)kind,
        .groups = c->norm_groups,
        // The option is the frozen norm's; group norm's has been 1e-5 everywhere.
        .epsilon = kind == NORM_GN ? 1e-5 : c->backbone.norm_epsilon,
    };
}

static struct gate_options gate_of(const struct model_config *c) {
    return (struct gate_options){
        .embedding = (enum gate_embedding)c->gct.embedding,
        .normalisation = (enum gate_normalisation)c->gct.normalisation,
        .activation = (enum gate_activation)c->gct.activation,
        .placement = (enum gate_placement)c->gct.placement,
        .epsilon = c->gct.epsilon,
    };
}

struct resnet_options model_config_resnet(const struct model_config *c) {
    struct resnet_options options = {
        .width = c->backbone.width,
        .groups = c->backbone.groups,
        .group_width = c->backbone.group_width,
        .stride_in_1x1 = c->backbone.stride_in_1x1,
        .norm = norm_of(c, c->backbone.norm),
        .attention = (enum attention_kind)c->backbone.attention,
        .gate = gate_of(c),
        .freeze_at = c->backbone.freeze_at,
    };
    const int64_t *blocks =
        c->backbone.blocks.count ? c->backbone.blocks.items : BLOCKS[c->backbone.depth];
    memcpy(options.blocks, blocks, sizeof options.blocks);
    return options;
}

struct fpn_options model_config_fpn(const struct model_config *c) {
    struct fpn_options options = {.channels = c->fpn.channels, .norm = norm_of(c, c->fpn.norm)};
    struct resnet_options resnet = model_config_resnet(c);
    for (int i = 0; i < RESNET_STAGES; i++)
        options.in_channels[i] = resnet_stage_channels(&resnet, i);
    return options;
}

struct rpn_options model_config_rpn(const struct model_config *c) {
    const struct conventions_rules *rules = conventions_of((enum conventions)c->conventions);
    return (struct rpn_options){
        .channels = c->fpn.channels,
        .num_convs = c->rpn.convs,
        .anchor_sizes = c->rpn.anchor_sizes,
        .anchor_ratios = c->rpn.anchor_ratios,
        .anchor_rule = rules->anchors,
        .detecting = {c->rpn.pre_nms_test, c->rpn.post_nms_test},
        .training = {c->rpn.pre_nms_train, c->rpn.post_nms_train},
        .nms_threshold = c->rpn.nms,
        .min_side = rules->proposal_min_side,
    };
}

struct box_head_options model_config_box_head(const struct model_config *c,
                                              struct gate_options *gate) {
    *gate = gate_of(c);
    return (struct box_head_options){
        .channels = c->fpn.channels,
        .resolution = c->box.resolution,
        .num_convs = c->box.convs,
        .conv_channels = c->box.conv_channels,
        .num_linears = c->box.linears,
        .hidden = c->box.hidden,
        .classes = model_config_num_classes(c),
        .norm = norm_of(c, c->box.norm),
        .gate = c->box.gct ? gate : NULL,
    };
}

struct mask_head_options model_config_mask_head(const struct model_config *c) {
    const struct conventions_rules *rules = conventions_of((enum conventions)c->conventions);
    return (struct mask_head_options){
        .channels = c->fpn.channels,
        .num_convs = c->mask.convs,
        .conv_channels = c->mask.conv_channels,
        .resolution = c->mask.resolution,
        .classes = model_config_num_classes(c),
        .small_logits = rules->small_mask_logits,
        .norm = norm_of(c, c->mask.norm),
    };
}
