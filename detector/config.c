#include "detector/config.h"

#include <string.h>

#include "detector/conventions.h"

static const char *const CONVENTIONS[] = {"detectron2", "torchvision", NULL};
static const char *const ORDERS[] = {"rgb", "bgr", NULL};
static const char *const DEPTHS[] = {"50", "101", "152", NULL};
static const char *const NORMS[] = {"none", "frozen_bn", "gn", NULL};
static const char *const ATTENTIONS[] = {"none", "gct", "se", NULL};
static const char *const EMBEDDINGS[] = {"l2", "l1", "linf", NULL};
static const char *const NORMALISATIONS[] = {"l2", "l1", "mean_variance", NULL};
static const char *const ACTIVATIONS[] = {"1+tanh", "1+elu", "sigmoid", NULL};
static const char *const PLACEMENTS[] = {"before_conv", "before_norm", "after_norm", NULL};

static const int64_t BLOCKS[][RESNET_STAGES] = {{3, 4, 6, 3}, {3, 4, 23, 3}, {3, 8, 36, 3}};

// A configuration that holds a name and an id for each class must stay within CONFIG_MAX_VALUES.
enum { MAX_CLASSES = 4000, MAX_CHANNELS = 8192, MAX_SIDE = 16384, MAX_PROPOSALS = 100000 };

#define FIELD(member) OPTION_FIELD(struct model_config, member)
#define TEXT(text)    .default_text = (text)

const struct option MODEL_OPTIONS[] = {
    {.name = "conventions",
     FIELD(conventions),
     .choices = CONVENTIONS,
     TEXT("detectron2"),
     .group = "Model",
     .help = "whose anchors, box arithmetic, resizing and mask pasting to follow"},
    {.name = "classes.names", FIELD(classes.names), .help = "the classes without background"},
    {.name = "classes.ids",
     FIELD(classes.ids),
     OPTION_BETWEEN(0, 1 << 30),
     .help = "their category ids in annotation files; by default 1, 2, 3, ..."},

    {.name = "input.short_side",
     FIELD(input.short_side),
     OPTION_BETWEEN(32, MAX_SIDE),
     TEXT("800"),
     .group = "Input",
     .help = "pixels that the shorter side of an image becomes"},
    {.name = "input.long_side",
     FIELD(input.long_side),
     OPTION_BETWEEN(32, MAX_SIDE),
     TEXT("1333"),
     .help = "pixels that the longer side becomes at most"},
    {.name = "input.mean",
     FIELD(input.mean),
     TEXT("0.485,0.456,0.406"),
     .help = "subtracted from each channel"},
    {.name = "input.std",
     FIELD(input.std),
     TEXT("0.229,0.224,0.225"),
     OPTION_BETWEEN(1e-6, 1e6),
     .help = "what each channel is divided by"},
    {.name = "input.pixel_range",
     FIELD(input.pixel_range),
     OPTION_BETWEEN(1, 255),
     TEXT("1"),
     .help = "the value of white before mean and std: 1 or 255"},
    {.name = "input.channel_order",
     FIELD(input.channel_order),
     .choices = ORDERS,
     TEXT("rgb"),
     .help = "order of the channels that the first convolution expects"},

    {.name = "backbone.depth",
     FIELD(backbone.depth),
     .choices = DEPTHS,
     TEXT("50"),
     .group = "Backbone",
     .help = "layers of the residual network"},
    {.name = "backbone.blocks",
     FIELD(backbone.blocks),
     OPTION_BETWEEN(1, 100),
     .help = "blocks of the four stages, instead of a depth"},
    {.name = "backbone.width",
     FIELD(backbone.width),
     OPTION_BETWEEN(1, 1024),
     TEXT("64"),
     .help = "channels of the stem; stages have 4, 8, 16 and 32 times as many"},
    {.name = "backbone.groups",
     FIELD(backbone.groups),
     OPTION_BETWEEN(1, 256),
     TEXT("1"),
     .help = "groups of the 3x3 convolutions; 32 in ResNeXt"},
    {.name = "backbone.group_width",
     FIELD(backbone.group_width),
     OPTION_BETWEEN(1, 1024),
     TEXT("64"),
     .help = "channels of a group in the first stage; 4 in ResNeXt"},
    {.name = "backbone.stride_in_1x1",
     FIELD(backbone.stride_in_1x1),
     .help = "a stage halves the resolution in its first 1x1 convolution, not in the 3x3"},
    {.name = "backbone.norm",
     FIELD(backbone.norm),
     .choices = NORMS,
     TEXT("frozen_bn"),
     .help = "normalisation behind each convolution"},
    {.name = "backbone.norm_epsilon",
     FIELD(backbone.norm_epsilon),
     OPTION_BETWEEN(0, 1),
     TEXT("1e-5"),
     .help = "added to the variance; 0 for torchvision's published detectors"},
    {.name = "backbone.attention",
     FIELD(backbone.attention),
     .choices = ATTENTIONS,
     TEXT("none"),
     .help = "a gate before each convolution (gct), or squeeze-excite on each branch (se)"},
    {.name = "backbone.freeze_at",
     FIELD(backbone.freeze_at),
     OPTION_BETWEEN(0, 5),
     TEXT("2"),
     .help = "stages that are not trained: 1 the stem, 2 also C2, and so on"},

    {.name = "gct.embedding",
     FIELD(gct.embedding),
     .choices = EMBEDDINGS,
     TEXT("l2"),
     .group = "Gated channel transformation",
     .help = "norm that measures a channel"},
    {.name = "gct.normalisation",
     FIELD(gct.normalisation),
     .choices = NORMALISATIONS,
     TEXT("l2"),
     .help = "how channels compete"},
    {.name = "gct.activation",
     FIELD(gct.activation),
     .choices = ACTIVATIONS,
     TEXT("1+tanh"),
     .help = "what the gate is a function of"},
    {.name = "gct.placement",
     FIELD(gct.placement),
     .choices = PLACEMENTS,
     TEXT("before_conv"),
     .help = "where gates stand"},
    {.name = "gct.epsilon",
     FIELD(gct.epsilon),
     OPTION_BETWEEN(1e-12, 1),
     TEXT("1e-5"),
     .help = "keeps roots and quotients away from 0"},
    {.name = "norm_groups",
     FIELD(norm_groups),
     OPTION_BETWEEN(1, 1024),
     TEXT("32"),
     .help = "groups of every group norm"},

    {.name = "fpn.channels",
     FIELD(fpn.channels),
     OPTION_BETWEEN(1, MAX_CHANNELS),
     TEXT("256"),
     .group = "Feature pyramid",
     .help = "channels of P2 to P6"},
    {.name = "fpn.norm",
     FIELD(fpn.norm),
     .choices = NORMS,
     TEXT("none"),
     .help = "normalisation behind each convolution"},

    {.name = "rpn.convs",
     FIELD(rpn.convs),
     OPTION_BETWEEN(1, RPN_MAX_CONVS),
     TEXT("1"),
     .group = "Proposals",
     .help = "3x3 convolutions"},
    {.name = "rpn.anchor_sizes",
     FIELD(rpn.anchor_sizes),
     OPTION_BETWEEN(1, MAX_SIDE),
     TEXT("32,64,128,256,512"),
     .help = "sides of the anchors of P2 to P6, in pixels"},
    {.name = "rpn.anchor_ratios",
     FIELD(rpn.anchor_ratios),
     OPTION_BETWEEN(0.01, 100),
     TEXT("0.5,1,2"),
     .help = "heights over widths of the anchors"},
    {.name = "rpn.pre_nms_test",
     FIELD(rpn.pre_nms_test),
     OPTION_BETWEEN(1, MAX_PROPOSALS),
     TEXT("1000"),
     .help = "anchors of a level that enter suppression, when detecting"},
    {.name = "rpn.post_nms_test",
     FIELD(rpn.post_nms_test),
     OPTION_BETWEEN(1, MAX_PROPOSALS),
     TEXT("1000"),
     .help = "proposals of an image that remain, when detecting"},
    {.name = "rpn.pre_nms_train",
     FIELD(rpn.pre_nms_train),
     OPTION_BETWEEN(1, MAX_PROPOSALS),
     TEXT("2000"),
     .help = "the same when training"},
    {.name = "rpn.post_nms_train",
     FIELD(rpn.post_nms_train),
     OPTION_BETWEEN(1, MAX_PROPOSALS),
     TEXT("1000"),
     .help = "the same when training"},
    {.name = "rpn.nms",
     FIELD(rpn.nms),
     OPTION_BETWEEN(0, 1),
     TEXT("0.7"),
     .help = "overlap (IoU) above which the lower proposal goes"},

    {.name = "box.convs",
     FIELD(box.convs),
     OPTION_BETWEEN(0, ROI_HEAD_MAX_CONVS),
     TEXT("0"),
     .group = "Box head",
     .help = "3x3 convolutions; 4 in 4conv1fc"},
    {.name = "box.conv_channels",
     FIELD(box.conv_channels),
     OPTION_BETWEEN(1, MAX_CHANNELS),
     TEXT("256"),
     .help = "their channels"},
    {.name = "box.linears",
     FIELD(box.linears),
     OPTION_BETWEEN(1, BOX_HEAD_MAX_LINEARS),
     TEXT("2"),
     .help = "fully connected layers before the predictors"},
    {.name = "box.hidden",
     FIELD(box.hidden),
     OPTION_BETWEEN(1, MAX_CHANNELS),
     TEXT("1024"),
     .help = "width of the fully connected layers"},
    {.name = "box.resolution",
     FIELD(box.resolution),
     OPTION_BETWEEN(1, 64),
     TEXT("7"),
     .help = "side of the features of a proposal"},
    {.name = "box.norm",
     FIELD(box.norm),
     .choices = NORMS,
     TEXT("none"),
     .help = "normalisation behind each convolution"},
    {.name = "box.gct", FIELD(box.gct), .help = "a gate before each convolution"},
    {.name = "box.score",
     FIELD(box.score),
     OPTION_BETWEEN(0, 1),
     TEXT("0.05"),
     .help = "score above which a box is a detection"},
    {.name = "box.nms",
     FIELD(box.nms),
     OPTION_BETWEEN(0, 1),
     TEXT("0.5"),
     .help = "overlap (IoU) above which the lower detection of a class goes"},
    {.name = "box.detections",
     FIELD(box.detections),
     OPTION_BETWEEN(1, MAX_PROPOSALS),
     TEXT("100"),
     .help = "detections of an image at most"},

    {.name = "mask.convs",
     FIELD(mask.convs),
     OPTION_BETWEEN(0, ROI_HEAD_MAX_CONVS),
     TEXT("4"),
     .group = "Mask head",
     .help = "3x3 convolutions"},
    {.name = "mask.conv_channels",
     FIELD(mask.conv_channels),
     OPTION_BETWEEN(1, MAX_CHANNELS),
     TEXT("256"),
     .help = "their channels"},
    {.name = "mask.resolution",
     FIELD(mask.resolution),
     OPTION_BETWEEN(1, 64),
     TEXT("14"),
     .help = "side of the features of a detection; masks have twice that"},
    {.name = "mask.norm",
     FIELD(mask.norm),
     .choices = NORMS,
     TEXT("none"),
     .help = "normalisation behind each convolution"},
    {0},
};

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

struct rpn_options model_config_rpn(const struct model_config *c, bool training) {
    const struct conventions_rules *rules = conventions_of((enum conventions)c->conventions);
    return (struct rpn_options){
        .channels = c->fpn.channels,
        .num_convs = c->rpn.convs,
        .anchor_sizes = c->rpn.anchor_sizes,
        .anchor_ratios = c->rpn.anchor_ratios,
        .anchor_rule = rules->anchors,
        .pre_nms = training ? c->rpn.pre_nms_train : c->rpn.pre_nms_test,
        .post_nms = training ? c->rpn.post_nms_train : c->rpn.post_nms_test,
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
