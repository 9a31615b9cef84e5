#include "tests/detector/check_model.h"

#include <math.h>

#include "base/check.h"
#include "base/random.h"
#include "tests/harness.h"

static void set(struct options *options, const char *const *settings) {
    struct error err;
    for (int i = 0; settings[i]; i += 2)
        EXPECT_OK(options_set_text(options, settings[i], settings[i + 1], (struct option_origin){0},
                                   &err),
                  &err);
}

// Fresh predictors say the same everywhere; these have opinions.
static void sharpen(struct parameters *parameters) {
    static const struct {
        const char *name;
        float factor;
    } PREDICTORS[] = {
        {"rpn.head.cls_logits.weight", 30},
        {"rpn.head.bbox_pred.weight", 10},
        {"roi_heads.box_predictor.cls_score.weight", 60},
        {"roi_heads.box_predictor.bbox_pred.weight", 300},
        {"roi_heads.mask_predictor.mask_fcn_logits.weight", 10},
    };
    for (size_t i = 0; i < sizeof PREDICTORS / sizeof PREDICTORS[0]; i++) {
        struct parameter *p = parameters_find(parameters, PREDICTORS[i].name);
        CHECK(p);
        for (int64_t j = 0; j < p->count; j++)
            p->data[j] *= PREDICTORS[i].factor;
    }
    parameters_changed(parameters);
}

void small_model_build(struct small_model *small, const char *const *settings, uint64_t seed) {
    static const char *const BASE[] = {
        "classes.names",
        "a,b,c,d",
        "input.short_side",
        "96",
        "input.long_side",
        "160",
        "backbone.blocks",
        "1,2,1,1",
        "backbone.width",
        "16",
        "backbone.norm",
        "gn",
        "norm_groups",
        "8",
        "backbone.groups",
        "1",
        "fpn.channels",
        "32",
        "rpn.pre_nms_test",
        "100",
        "rpn.post_nms_test",
        "60",
        "rpn.anchor_sizes",
        "8,16,32,64,99",
        "box.hidden",
        "48",
        "box.score",
        "0.1",
        "box.detections",
        "20",
        "mask.convs",
        "2",
        "mask.conv_channels",
        "32",
        "backbone.group_width",
        "16",
        "box.conv_channels",
        "32",
        NULL,
    };
    struct options options;
    struct error err;
    *small = (struct small_model){.arena = {0}};
    arena_init(&small->arena, 1 << 20, 0);
    REQUIRE(options_init(&options, MODEL_OPTIONS, &small->config, &small->arena, &err) ==
            STATUS_OK);
    set(&options, BASE);
    set(&options, settings);
    EXPECT_OK(model_config_check(&small->config, &err), &err);
    EXPECT_OK(mask_rcnn_build(&small->model, &small->config, &small->arena, false, &err), &err);
    parameters_initialise(&small->model.parameters, seed);
    sharpen(&small->model.parameters);
}

void small_model_destroy(struct small_model *small) {
    arena_destroy(&small->arena);
}

void small_model_open_gates(struct small_model *small, uint64_t seed) {
    struct random random = random_stream(seed, 9);
    for (int64_t i = 0; i < small->model.parameters.count; i++) {
        struct parameter *p = small->model.parameters.items[i];
        bool gates = p->kind == PARAMETER_GATE_GAMMA || p->kind == PARAMETER_GATE_BETA;
        for (int64_t j = 0; gates && j < p->count; j++)
            p->data[j] = (float)random_between(&random, -0.3, 0.3);
    }
    parameters_changed(&small->model.parameters);
}

struct image noise_image(int32_t width, int32_t height, uint64_t seed, struct arena *arena) {
    struct image image = {width, height, arena_alloc(arena, 3 * (int64_t)width * height, 1)};
    struct random random = random_stream(seed, 8);
    double waves[3][4];
    CHECK(image.pixels);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 4; i++)
            waves[c][i] = random_between(&random, 0.05, 0.6);
    for (int64_t i = 0; i < 3 * (int64_t)width * height; i++) {
        const double *w = waves[i % 3];
        int64_t column = i / 3 % width;
        int64_t row = i / 3 / width;
        double x = (double)column;
        double y = (double)row;
        double value = 128 + 60 * sin(w[0] * x + w[1] * y) * cos(w[2] * y - w[3] * x);
        image.pixels[i] = (uint8_t)(value + random_between(&random, -60, 60));
    }
    return image;
}

bool same_detections(const struct detection_list *a, const struct detection_list *b) {
    if (a->count != b->count) return false;
    for (int64_t i = 0; i < a->count; i++) {
        const struct detection *d = &a->items[i];
        const struct detection *e = &b->items[i];
        if (!equal_bits(d->box, e->box, sizeof d->box)) return false;
        if (!equal_bits(&d->score, &e->score, sizeof d->score) || d->label != e->label)
            return false;
        if (d->mask.num_runs != e->mask.num_runs) return false;
        size_t bytes = (size_t)d->mask.num_runs * sizeof *d->mask.runs;
        if (memcmp(d->mask.runs, e->mask.runs, bytes) != 0) return false;
    }
    return true;
}
