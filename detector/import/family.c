// Names: torchvision/models/detection; detectron2/checkpoint/c2_model_loading.py; Detectron's
// detectron/modeling; maskrcnn_benchmark/utils/c2_model_loading.py; PyTorch/resnet.py of GCT.
#include "detector/import/family.h"

#include <stdio.h>
#include <string.h>

// ---- torchvision, whose names ours are ----

static const struct rename_rule TORCHVISION_RULES[] = {
    {"conv1", "backbone.body.conv1"},
    {"bn1", "backbone.body.bn1"},
    {"gct1", "backbone.body.gct1"},
    {"layer#.#*", "backbone.body.layer{1}.{2}*"},
    {"backbone.fpn.inner_blocks.#", "backbone.fpn.inner_blocks.{1}.0"}, // before version 0.13
    {"backbone.fpn.inner_blocks.#.#", "backbone.fpn.inner_blocks.{1}.{2}"},
    {"backbone.fpn.layer_blocks.#", "backbone.fpn.layer_blocks.{1}.0"},
    {"backbone.fpn.layer_blocks.#.#", "backbone.fpn.layer_blocks.{1}.{2}"},
    {"rpn.head.conv", "rpn.head.conv.0.0"},
    {"rpn.head.*", "rpn.head.*"},
    {"roi_heads.mask_head.mask_fcn#", "roi_heads.mask_head.{1-1}.0"},
    {"roi_heads.*", "roi_heads.*"},
    {0},
};
static const char *const TORCHVISION_SIGNS[] = {"backbone.body.conv1.weight", "conv1.weight", NULL};
static const char *const TORCHVISION_IGNORED[] = {"fc.weight", "fc.bias", NULL};

// ---- detectron2 ----

static const struct rename_rule DETECTRON2_RULES[] = {
    {"stem.conv1", "backbone.body.conv1"},
    {"stem.conv1.norm", "backbone.body.bn1"},
    {"res#.#.conv#", "backbone.body.layer{1-1}.{2}.conv{3}"},
    {"res#.#.conv#.norm", "backbone.body.layer{1-1}.{2}.bn{3}"},
    {"res#.#.shortcut", "backbone.body.layer{1-1}.{2}.downsample.0"},
    {"res#.#.shortcut.norm", "backbone.body.layer{1-1}.{2}.downsample.1"},
    {"backbone.fpn_lateral#", "backbone.fpn.inner_blocks.{1-2}.0"},
    {"backbone.fpn_lateral#.norm", "backbone.fpn.inner_blocks.{1-2}.1"},
    {"backbone.fpn_output#", "backbone.fpn.layer_blocks.{1-2}.0"},
    {"backbone.fpn_output#.norm", "backbone.fpn.layer_blocks.{1-2}.1"},
    {"proposal_generator.rpn_head.conv", "rpn.head.conv.0.0"},
    {"proposal_generator.rpn_head.conv.conv#", "rpn.head.conv.{1}.0"},
    {"proposal_generator.rpn_head.objectness_logits", "rpn.head.cls_logits"},
    {"proposal_generator.rpn_head.anchor_deltas", "rpn.head.bbox_pred"},
    {"roi_heads.box_head.conv#", "roi_heads.box_head.{1-1}.0"},
    {"roi_heads.box_head.conv#.norm", "roi_heads.box_head.{1-1}.1"},
    {"roi_heads.box_head.fc#", "roi_heads.box_head.fc{1+5}"},
    {"roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.cls_score"},
    {"roi_heads.box_predictor.bbox_pred", "roi_heads.box_predictor.bbox_pred"},
    {"roi_heads.mask_head.mask_fcn#", "roi_heads.mask_head.{1-1}.0"},
    {"roi_heads.mask_head.mask_fcn#.norm", "roi_heads.mask_head.{1-1}.1"},
    {"roi_heads.mask_head.deconv", "roi_heads.mask_predictor.conv5_mask"},
    {"roi_heads.mask_head.predictor", "roi_heads.mask_predictor.mask_fcn_logits"},
    {0},
};
static const char *const DETECTRON2_SIGNS[] = {"backbone.bottom_up.stem.conv1.weight",
                                               "stem.conv1.norm.weight", NULL};
static const char *const DETECTRON2_IGNORED[] = {
    "pixel_mean",     "pixel_std",    "proposal_generator.anchor_generator.cell_anchors*",
    "stem.fc.weight", "stem.fc.bias", "linear.weight",
    "linear.bias",    "fc.weight",    "fc.bias",
    "fc1000.weight",  "fc1000.bias",  NULL};

// ---- Detectron ----

// Its names have no dots; family_rename has made "MODULE.weight" and "MODULE.norm.weight" of them.
static const struct rename_rule DETECTRON_RULES[] = {
    {"conv1", "backbone.body.conv1"},
    {"conv1.norm", "backbone.body.bn1"},
    {"res_conv1.norm", "backbone.body.bn1"},
    {"res#_#_branch2a", "backbone.body.layer{1-1}.{2}.conv1"},
    {"res#_#_branch2a.norm", "backbone.body.layer{1-1}.{2}.bn1"},
    {"res#_#_branch2b", "backbone.body.layer{1-1}.{2}.conv2"},
    {"res#_#_branch2b.norm", "backbone.body.layer{1-1}.{2}.bn2"},
    {"res#_#_branch2c", "backbone.body.layer{1-1}.{2}.conv3"},
    {"res#_#_branch2c.norm", "backbone.body.layer{1-1}.{2}.bn3"},
    {"res#_#_branch1", "backbone.body.layer{1-1}.{2}.downsample.0"},
    {"res#_#_branch1.norm", "backbone.body.layer{1-1}.{2}.downsample.1"},
    {"fpn_inner_res#_#_sum", "backbone.fpn.inner_blocks.{1-2}.0"},
    {"fpn_inner_res#_#_sum.norm", "backbone.fpn.inner_blocks.{1-2}.1"},
    {"fpn_inner_res#_#_sum_lateral", "backbone.fpn.inner_blocks.{1-2}.0"},
    {"fpn_inner_res#_#_sum_lateral.norm", "backbone.fpn.inner_blocks.{1-2}.1"},
    {"fpn_res#_#_sum", "backbone.fpn.layer_blocks.{1-2}.0"},
    {"fpn_res#_#_sum.norm", "backbone.fpn.layer_blocks.{1-2}.1"},
    {"conv_rpn_fpn2", "rpn.head.conv.0.0"},
    {"rpn_cls_logits_fpn2", "rpn.head.cls_logits"},
    {"rpn_bbox_pred_fpn2", "rpn.head.bbox_pred"},
    {"head_conv#", "roi_heads.box_head.{1-1}.0"},
    {"head_conv#.norm", "roi_heads.box_head.{1-1}.1"},
    {"fc6", "roi_heads.box_head.fc6"},
    {"fc7", "roi_heads.box_head.fc7"},
    {"cls_score", "roi_heads.box_predictor.cls_score"},
    {"bbox_pred", "roi_heads.box_predictor.bbox_pred"},
    {"_[mask]_fcn#", "roi_heads.mask_head.{1-1}.0"},
    {"_mask_fcn#", "roi_heads.mask_head.{1-1}.0"},
    {"_mask_fcn#.norm", "roi_heads.mask_head.{1-1}.1"},
    {"conv5_mask", "roi_heads.mask_predictor.conv5_mask"},
    {"mask_fcn_logits", "roi_heads.mask_predictor.mask_fcn_logits"},
    {0},
};
static const char *const DETECTRON_SIGNS[] = {"conv1_w", NULL};
static const char *const DETECTRON_IGNORED[] = {"fc1000_w", "fc1000_b", "pred_w", "pred_b", NULL};

// What ends a name there, and what it is. The affine maps of frozen batch norms have mean and
// variance in them already; see key_map.h.
static const struct {
    const char *end;
    const char *leaf;
} DETECTRON_LEAVES[] = {
    {"_bn_s", ".norm.weight"},
    {"_bn_b", ".norm.bias"},
    {"_bn_gamma", ".norm.weight"},
    {"_bn_beta", ".norm.bias"},
    {"_bn_running_mean", ".norm.running_mean"},
    {"_bn_rm", ".norm.running_mean"},
    {"_bn_running_var", ".norm.running_var"},
    {"_bn_riv", ".norm.running_var"},
    {"_gn_s", ".norm.weight"},
    {"_gn_b", ".norm.bias"},
    {"_w", ".weight"},
    {"_b", ".bias"},
};

// ---- maskrcnn-benchmark ----

// What its detectors have in common, with and without gates.
#define MASKRCNN_BENCHMARK_HEADS                                                                   \
    {"backbone.fpn.fpn_inner#", "backbone.fpn.inner_blocks.{1-1}.0"},                              \
        {"backbone.fpn.fpn_inner#.#", "backbone.fpn.inner_blocks.{1-1}.{2}"},                      \
        {"backbone.fpn.fpn_layer#", "backbone.fpn.layer_blocks.{1-1}.0"},                          \
        {"backbone.fpn.fpn_layer#.#", "backbone.fpn.layer_blocks.{1-1}.{2}"},                      \
        {"rpn.head.conv", "rpn.head.conv.0.0"}, {"rpn.head.cls_logits", "rpn.head.cls_logits"},    \
        {"rpn.head.bbox_pred", "rpn.head.bbox_pred"},                                              \
        {"roi_heads.box.feature_extractor.fc#", "roi_heads.box_head.fc{1}"},                       \
        {"roi_heads.box.feature_extractor.xconvs.0", "roi_heads.box_head.0.0"},                    \
        {"roi_heads.box.feature_extractor.xconvs.1", "roi_heads.box_head.0.1"},                    \
        {"roi_heads.box.feature_extractor.xconvs.3", "roi_heads.box_head.1.0"},                    \
        {"roi_heads.box.feature_extractor.xconvs.4", "roi_heads.box_head.1.1"},                    \
        {"roi_heads.box.feature_extractor.xconvs.6", "roi_heads.box_head.2.0"},                    \
        {"roi_heads.box.feature_extractor.xconvs.7", "roi_heads.box_head.2.1"},                    \
        {"roi_heads.box.feature_extractor.xconvs.9", "roi_heads.box_head.3.0"},                    \
        {"roi_heads.box.feature_extractor.xconvs.10", "roi_heads.box_head.3.1"},                   \
        {"roi_heads.box.predictor.cls_score", "roi_heads.box_predictor.cls_score"},                \
        {"roi_heads.box.predictor.bbox_pred", "roi_heads.box_predictor.bbox_pred"},                \
        {"roi_heads.mask.feature_extractor.mask_fcn#", "roi_heads.mask_head.{1-1}.0"},             \
        {"roi_heads.mask.feature_extractor.mask_fcn#.#", "roi_heads.mask_head.{1-1}.{2}"},         \
        {"roi_heads.mask.predictor.conv5_mask", "roi_heads.mask_predictor.conv5_mask"},            \
        {"roi_heads.mask.predictor.mask_fcn_logits", "roi_heads.mask_predictor.mask_fcn_logits"},

static const struct rename_rule MASKRCNN_BENCHMARK_RULES[] = {
    {"stem.conv1", "backbone.body.conv1"},
    {"stem.bn1", "backbone.body.bn1"},
    {"layer#.#.conv#", "backbone.body.layer{1}.{2}.conv{3}"},
    {"layer#.#.bn#", "backbone.body.layer{1}.{2}.bn{3}"},
    {"layer#.#.downsample.#", "backbone.body.layer{1}.{2}.downsample.{3}"},
    MASKRCNN_BENCHMARK_HEADS{0},
};
static const char *const MASKRCNN_BENCHMARK_SIGNS[] = {"backbone.body.stem.conv1.weight",
                                                       "stem.conv1.weight", NULL};
static const char *const MASKRCNN_BENCHMARK_IGNORED[] = {"rpn.anchor_generator.cell_anchors*",
                                                         "fc.weight", "fc.bias", NULL};

// Each convolution is a pair there: the gate, then the convolution.
static const struct rename_rule GCT_RULES[] = {
    {"stem.conv1.0", "backbone.body.gct1"},
    {"stem.conv1.1", "backbone.body.conv1"},
    {"stem.bn1", "backbone.body.bn1"},
    {"layer#.#.conv#.0", "backbone.body.layer{1}.{2}.gct{3}"},
    {"layer#.#.conv#.1", "backbone.body.layer{1}.{2}.conv{3}"},
    {"layer#.#.bn#", "backbone.body.layer{1}.{2}.bn{3}"},
    {"layer#.#.downsample.0", "backbone.body.layer{1}.{2}.downsample.gct"},
    {"layer#.#.downsample.1", "backbone.body.layer{1}.{2}.downsample.0"},
    {"layer#.#.downsample.2", "backbone.body.layer{1}.{2}.downsample.1"},
    MASKRCNN_BENCHMARK_HEADS{0},
};
static const char *const GCT_SIGNS[] = {"backbone.body.stem.conv1.1.weight", "stem.conv1.1.weight",
                                        NULL};

// ---- All ----

// In the order in which they are tried: detectron2's backbones have a name that is one of
// maskrcnn-benchmark's as well.
static const struct family FAMILIES[] = {
    {"torchvision", "backbone.body.", TORCHVISION_SIGNS, TORCHVISION_RULES, TORCHVISION_IGNORED,
     FAMILY_TORCHVISION, false},
    {"detectron2", "backbone.bottom_up.", DETECTRON2_SIGNS, DETECTRON2_RULES, DETECTRON2_IGNORED,
     FAMILY_DETECTRON2, true},
    {"Detectron", "", DETECTRON_SIGNS, DETECTRON_RULES, DETECTRON_IGNORED, FAMILY_DETECTRON, false},
    {"GCT", "backbone.body.", GCT_SIGNS, GCT_RULES, MASKRCNN_BENCHMARK_IGNORED, FAMILY_GCT, false},
    {"maskrcnn-benchmark", "backbone.body.", MASKRCNN_BENCHMARK_SIGNS, MASKRCNN_BENCHMARK_RULES,
     MASKRCNN_BENCHMARK_IGNORED, FAMILY_MASKRCNN_BENCHMARK, false},
};

// Counters of training steps, and the optimiser's memory.
static const char *const ENDS_OF_NO_USE[] = {".num_batches_tracked", "_momentum"};

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

// How much of text is in front of that end; 0 if it does not end so.
static size_t size_before(const char *text, const char *end) {
    size_t text_size = strlen(text);
    size_t end_size = strlen(end);
    if (text_size <= end_size || strcmp(text + text_size - end_size, end) != 0) return 0;
    return text_size - end_size;
}

const char *family_strip(const char *name) {
    static const char wrapper[] = "module."; // of PyTorch's parallel models
    while (starts_with(name, wrapper))
        name += sizeof wrapper - 1;
    return name;
}

static bool has_sign(const struct family *family, const struct state_dict *dict) {
    for (int64_t i = 0; i < dict->count; i++)
        for (const char *const *sign = family->signs; *sign; sign++)
            if (strcmp(family_strip(dict->items[i].tensor.name), *sign) == 0) return true;
    return false;
}

enum status family_recognise(const struct family **family, const struct state_dict *dict,
                             struct error *err) {
    for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++) {
        *family = &FAMILIES[i];
        if (has_sign(*family, dict)) return STATUS_OK;
    }
    return error_set(
        err, STATUS_UNSUPPORTED,
        "%s: the names of its %lld tensors (\"%.64s\", \"%.64s\") are those of none of "
        "the families that are known: torchvision, detectron2, Detectron, "
        "maskrcnn-benchmark, GCT",
        dict->path, (long long)dict->count, dict->items[0].tensor.name,
        dict->items[dict->count / 2].tensor.name);
}

// "res2_0_branch2a_bn_s" becomes "res2_0_branch2a.norm.weight"; false if it has none of the ends.
static bool add_dots(const char *name, char to[FAMILY_PARAMETER_BYTES]) {
    for (size_t i = 0; i < sizeof DETECTRON_LEAVES / sizeof *DETECTRON_LEAVES; i++) {
        size_t size = size_before(name, DETECTRON_LEAVES[i].end);
        if (size == 0 || size >= RENAME_BYTES) continue;
        snprintf(to, FAMILY_PARAMETER_BYTES, "%.*s%s", (int)size, name, DETECTRON_LEAVES[i].leaf);
        return true;
    }
    return false;
}

static bool is_ignored(const struct family *family, const char *name) {
    for (size_t i = 0; i < sizeof ENDS_OF_NO_USE / sizeof *ENDS_OF_NO_USE; i++)
        if (size_before(name, ENDS_OF_NO_USE[i])) return true;
    for (const char *const *pattern = family->ignored; *pattern; pattern++)
        if (rename_matches(*pattern, name)) return true;
    return false;
}

enum family_verdict family_rename(const struct family *family, const char *name,
                                  char to[FAMILY_PARAMETER_BYTES]) {
    char dotted[FAMILY_PARAMETER_BYTES];
    char module[RENAME_BYTES];
    name = family_strip(name);
    if (starts_with(name, family->body)) name += strlen(family->body);
    if (is_ignored(family, name)) return FAMILY_IGNORED;
    if (family->kind == FAMILY_DETECTRON) {
        if (!add_dots(name, dotted)) return FAMILY_UNKNOWN;
        name = dotted;
    }
    const char *leaf = strrchr(name, '.');
    if (!leaf || leaf - name >= RENAME_BYTES || strlen(leaf) >= 64) return FAMILY_UNKNOWN;
    char from[RENAME_BYTES];
    snprintf(from, sizeof from, "%.*s", (int)(leaf - name), name);
    if (!rename_module(family->rules, from, module)) return FAMILY_UNKNOWN;
    snprintf(to, FAMILY_PARAMETER_BYTES, "%s%s", module, leaf);
    return FAMILY_KNOWN;
}

bool family_in_backbone(const struct family *family, const char *name, bool has_heads) {
    return !has_heads || starts_with(family_strip(name), family->body);
}
