#include "detector/import/guess.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backbone/resnet.h"
#include "base/check.h"
#include "detector/import/coco_classes.h"

enum { MAX_SETTINGS = 48, MAX_BLOCKS = 100, MAX_CLASSES = 4000 };

struct guess {
    const struct key_map *map;
    const char *items[MAX_SETTINGS];
    int64_t count;
    struct arena *arena;
    bool out_of_memory;
};

static void set(struct guess *g, const char *format, ...) PRINTF_LIKE(2, 3);
static void set(struct guess *g, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(size > 0 && size < (int)sizeof text && g->count < MAX_SETTINGS);
    g->items[g->count] = arena_copy_text(g->arena, text, size);
    if (!g->items[g->count++]) g->out_of_memory = true;
}

// A parameter's size in one dimension; 0 if there is none.
static int64_t size_of(const struct guess *g, const char *target, int dim) {
    const struct key *key = key_map_find(g->map, target);
    return key && dim < key->num_dims ? key->shape[dim] : 0;
}

static bool has(const struct guess *g, const char *target) {
    return key_map_find(g->map, target) != NULL;
}

// How many modules there are whose numbers count up from 0.
static int64_t count_modules(const struct guess *g, const char *before, const char *behind) {
    int64_t count = 0;
    char name[128];
    do {
        snprintf(name, sizeof name, "%s%lld%s", before, (long long)count, behind);
    } while (has(g, name) && ++count < MAX_BLOCKS);
    return count;
}

// "frozen_bn", "gn" or "none".
static const char *norm_of(const struct guess *g, const char *module) {
    char name[128];
    snprintf(name, sizeof name, "%s.running_var", module);
    if (has(g, name)) return "frozen_bn";
    snprintf(name, sizeof name, "%s.weight", module);
    return has(g, name) ? "gn" : "none";
}

// ---- The backbone ----

static void guess_blocks(struct guess *g) {
    static const int64_t depths[][RESNET_STAGES + 1] = {
        {50, 3, 4, 6, 3}, {101, 3, 4, 23, 3}, {152, 3, 8, 36, 3}};
    int64_t blocks[RESNET_STAGES];
    for (int i = 0; i < RESNET_STAGES; i++) {
        char before[64];
        snprintf(before, sizeof before, "backbone.body.layer%d.", i + 1);
        blocks[i] = count_modules(g, before, ".conv1.weight");
        if (blocks[i] == 0) return; // what is missing will be said later
    }
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        if (memcmp(blocks, &depths[i][1], sizeof blocks) != 0) continue;
        set(g, "backbone.depth=%lld", (long long)depths[i][0]);
        return;
    }
    set(g, "backbone.blocks=%lld,%lld,%lld,%lld", (long long)blocks[0], (long long)blocks[1],
        (long long)blocks[2], (long long)blocks[3]);
}

static bool has_group_norm(const struct guess *g) {
    return strcmp(norm_of(g, "backbone.body.bn1"), "gn") == 0;
}

static void guess_backbone(struct guess *g) {
    guess_blocks(g);
    int64_t width = size_of(g, "backbone.body.conv1.weight", 0);
    int64_t middle = size_of(g, "backbone.body.layer1.0.conv2.weight", 0);
    int64_t group_width = size_of(g, "backbone.body.layer1.0.conv2.weight", 1);
    if (width) set(g, "backbone.width=%lld", (long long)width);
    if (middle && group_width) {
        set(g, "backbone.groups=%lld", (long long)(middle / group_width));
        set(g, "backbone.group_width=%lld", (long long)group_width);
    }
    set(g, "backbone.norm=%s", has_group_norm(g) ? "gn" : "frozen_bn");
    if (has(g, "backbone.body.gct1.alpha")) set(g, "backbone.attention=gct");
    if (has(g, "backbone.body.layer1.0.se.fc1.weight")) set(g, "backbone.attention=se");
}

// ---- The heads ----

static void guess_box_head(struct guess *g) {
    int64_t convs = count_modules(g, "roi_heads.box_head.", ".0.weight");
    int64_t channels = size_of(g, "backbone.fpn.layer_blocks.0.0.weight", 0);
    char linear[64] = "roi_heads.box_head.fc6.weight";
    set(g, "box.convs=%lld", (long long)convs);
    if (convs) {
        channels = size_of(g, "roi_heads.box_head.0.0.weight", 0);
        snprintf(linear, sizeof linear, "roi_heads.box_head.%lld.weight", (long long)convs + 1);
        set(g, "box.conv_channels=%lld", (long long)channels);
        set(g, "box.norm=%s", norm_of(g, "roi_heads.box_head.0.1"));
        if (has(g, "roi_heads.box_head.0.gct.alpha")) set(g, "box.gct=true");
    }
    set(g, "box.linears=%d", !convs && has(g, "roi_heads.box_head.fc7.weight") ? 2 : 1);
    if (size_of(g, linear, 0)) set(g, "box.hidden=%lld", (long long)size_of(g, linear, 0));
    if (channels == 0) return;
    int64_t positions = size_of(g, linear, 1) / channels;
    int64_t side = lround(sqrt((double)positions));
    if (side > 0) set(g, "box.resolution=%lld", (long long)side);
}

static void guess_heads(struct guess *g) {
    int64_t channels = size_of(g, "backbone.fpn.layer_blocks.0.0.weight", 0);
    if (channels) set(g, "fpn.channels=%lld", (long long)channels);
    set(g, "fpn.norm=%s", norm_of(g, "backbone.fpn.inner_blocks.0.1"));
    int64_t rpn_convs = count_modules(g, "rpn.head.conv.", ".0.weight");
    if (rpn_convs) set(g, "rpn.convs=%lld", (long long)rpn_convs);
    guess_box_head(g);
    int64_t mask_convs = count_modules(g, "roi_heads.mask_head.", ".0.weight");
    set(g, "mask.convs=%lld", (long long)mask_convs);
    if (mask_convs == 0) return;
    set(g, "mask.conv_channels=%lld", (long long)size_of(g, "roi_heads.mask_head.0.0.weight", 0));
    set(g, "mask.norm=%s", norm_of(g, "roi_heads.mask_head.0.1"));
}

// ---- Classes ----

static void write_name(struct output *out, int64_t index, int64_t count) {
    if (index) output_text(out, ",");
    if (count == COCO_NUM_CLASSES)
        output_text(out, COCO_CLASSES[index].name);
    else if (count == COCO_LAST_ID)
        output_text(out, coco_class_name(index + 1));
    else
        output_printf(out, "%lld", (long long)index + 1);
}

static void set_list(struct guess *g, const struct output *out) {
    CHECK(g->count < MAX_SETTINGS);
    if (out->failure.code == STATUS_OK)
        g->items[g->count] = arena_copy_text(g->arena, out->data, out->size);
    if (!g->items[g->count++]) g->out_of_memory = true;
}

// COCO's for 80 classes, and for torchvision's 90, which are COCO's ids; numbers else.
static void guess_classes(struct guess *g) {
    int64_t count = size_of(g, "roi_heads.box_predictor.cls_score.weight", 0) - 1;
    if (count < 1 || count > MAX_CLASSES) count = COCO_NUM_CLASSES; // a backbone, to be trained
    struct output out;
    output_open_memory(&out);
    output_text(&out, "classes.names=");
    for (int64_t i = 0; i < count; i++)
        write_name(&out, i, count);
    set_list(g, &out);
    output_discard(&out);
    if (count != COCO_NUM_CLASSES) return;
    output_open_memory(&out);
    for (int64_t i = 0; i < count; i++)
        output_printf(&out, "%s%lld", i ? "," : "classes.ids=", (long long)COCO_CLASSES[i].id);
    set_list(g, &out);
    output_discard(&out);
}

// ---- The family's customs ----

// detectron2's files have their pixels' statistics with them.
static bool read_pixels(const struct guess *g, const char *name, float values[3]) {
    struct error err;
    char wrapped[64];
    snprintf(wrapped, sizeof wrapped, "module.%s", name);
    const struct state_tensor *item = state_dict_find(g->map->dict, name);
    if (!item) item = state_dict_find(g->map->dict, wrapped);
    if (!item || item->tensor.count != 3) return false;
    if (state_tensor_to_float(item, values, g->arena, &err) != STATUS_OK) return false;
    return values[0] > 0 && values[1] > 0 && values[2] > 0 && isfinite(values[0]) &&
           isfinite(values[1]) && isfinite(values[2]);
}

static void set_pixels(struct guess *g, const float mean[3], const float std[3], int range,
                       const char *order) {
    set(g, "input.mean=%.9g,%.9g,%.9g", (double)mean[0], (double)mean[1], (double)mean[2]);
    set(g, "input.std=%.9g,%.9g,%.9g", (double)std[0], (double)std[1], (double)std[2]);
    set(g, "input.pixel_range=%d", range);
    set(g, "input.channel_order=%s", order);
}

static void guess_detectron2(struct guess *g, bool grouped) {
    float mean[3] = {103.53F, 116.28F, 123.675F};
    float std[3] = {1, 1, 1};
    read_pixels(g, "pixel_mean", mean);
    read_pixels(g, "pixel_std", std);
    // Photos are brighter in red than in blue.
    set_pixels(g, mean, std, 255, mean[0] > mean[2] ? "rgb" : "bgr");
    // Only MSRA's networks, whose pixels are not scaled, halve in the first convolution.
    bool is_msra = std[0] == 1 && !grouped && !has_group_norm(g);
    set(g, "backbone.stride_in_1x1=%s", is_msra ? "true" : "false");
}

// Its own, and maskrcnn-benchmark's without gates.
static void guess_detectron(struct guess *g, bool grouped) {
    static const float mean[3] = {102.9801F, 115.9465F, 122.7717F};
    static const float std[3] = {1, 1, 1};
    set_pixels(g, mean, std, 255, "bgr");
    set(g, "backbone.stride_in_1x1=%s", grouped || has_group_norm(g) ? "false" : "true");
}

static bool counts_batches(const struct guess *g) {
    for (int64_t i = 0; i < g->map->dict->count; i++)
        if (strstr(g->map->dict->items[i].tensor.name, ".num_batches_tracked")) return true;
    return false;
}

static void guess_customs(struct guess *g) {
    bool has_heads = g->map->has_heads;
    bool grouped = size_of(g, "backbone.body.layer1.0.conv2.weight", 0) !=
                   size_of(g, "backbone.body.layer1.0.conv2.weight", 1);
    bool is_torchvision = g->map->family->kind == FAMILY_TORCHVISION;
    set(g, "conventions=%s", is_torchvision ? "torchvision" : "detectron2");
    switch (g->map->family->kind) {
    case FAMILY_TORCHVISION:
        // Its first detectors were published with frozen norms that add nothing to the variance.
        if (has_heads && !counts_batches(g)) set(g, "backbone.norm_epsilon=0");
        break;
    case FAMILY_DETECTRON2:
        guess_detectron2(g, grouped);
        break;
    case FAMILY_DETECTRON:
        guess_detectron(g, grouped);
        break;
    case FAMILY_MASKRCNN_BENCHMARK:
        guess_detectron(g, grouped);
        set(g, "backbone.norm_epsilon=0"); // its frozen norms have none
        break;
    case FAMILY_GCT:
        set(g, "backbone.stride_in_1x1=true");
        if (has_heads) set(g, "backbone.norm_epsilon=0");
        break;
    }
}

enum status guess_settings(const struct key_map *map, struct option_texts *settings,
                           struct arena *arena, struct error *err) {
    struct guess g = {.map = map, .arena = arena};
    guess_customs(&g);
    guess_backbone(&g);
    if (map->has_heads) guess_heads(&g);
    guess_classes(&g);
    const char **items = arena_alloc(arena, g.count, sizeof *items);
    if (!items || g.out_of_memory) return error_memory(err, "settings", g.count);
    memcpy(items, g.items, (size_t)g.count * sizeof *items);
    *settings = (struct option_texts){items, g.count};
    return STATUS_OK;
}
