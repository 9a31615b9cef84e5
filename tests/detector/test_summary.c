// The summary's counts against arithmetic that is done here, and against published figures.
#include <stdio.h>
#include <string.h>

#include "base/output.h"
#include "detector/detector_model.h"
#include "detector/summary.h"
#include "tests/harness.h"

static struct detector_model model;
static struct model_summary summary;

static void summarise(const char *config, int64_t num_images, struct extent size) {
    char path[512];
    struct error err;
    snprintf(path, sizeof path, TESTS_DIR "/../configs/%s", config);
    enum status status = detector_model_describe(&model, path, NULL, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    status = model_summarise(&summary, &model.network, num_images, size, &model.arena, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

// ResNet-50 with the pyramid at 800 x 1344, stride in the 3x3: in 10^9.
static void multiply_adds(void) {
    summarise("torchvision_r50_fpn.json", 1, (struct extent){800, 1344});
    const double *parts = summary.multiply_adds;
    const double giga = 1e9;
    // 2.5 / 14.2 / 21.9 / 31.4 / 17.3, 87.6 together, is what is published for this size.
    const double published[] = {2.5, 14.2, 21.9, 31.4, 17.3};
    double body = 0;
    for (int i = PART_STEM; i <= PART_C5; i++) {
        EXPECT_NEAR(parts[i] / giga, published[i], 0.15); // some are for 800 x 1333
        body += parts[i] / giga;
    }
    EXPECT_NEAR(body, 87.6, 0.05);
    // Positions of the levels.
    const double p2 = 200.0 * 336, p3 = 100.0 * 168, p4 = 50.0 * 84, p5 = 25.0 * 42, p6 = 13.0 * 21;
    double lateral = 256 * (p2 * 256 + p3 * 512 + p4 * 1024 + p5 * 2048);
    double output = 9.0 * 256 * 256 * (p2 + p3 + p4 + p5);
    EXPECT_NEAR(parts[PART_FPN], lateral + output, 1);
    double each = 9.0 * 256 * 256 + 256.0 * 15;
    EXPECT_NEAR(parts[PART_RPN], each * (p2 + p3 + p4 + p5 + p6), 1);
    // RoIAlign: 2 x 2 samples of four neighbours.
    double pooling = 1000.0 * 49 * 256 * 16;
    double linears = 1000.0 * (12544.0 * 1024 + 1024.0 * 1024 + 1024.0 * 5 * 91);
    EXPECT_NEAR(parts[PART_BOX_HEAD], pooling + linears, 1);
    pooling = 100.0 * 196 * 256 * 16;
    double convs = 100.0 * 196 * 4 * 9 * 256 * 256;
    // Each of the 28 x 28 positions: one tap of the transposed convolution, and the logit of the
    // one class that was predicted.
    double last = 100.0 * 784 * 256 * (256 + 1);
    EXPECT_NEAR(parts[PART_MASK_HEAD], pooling + convs + last, 1);
    detector_model_destroy(&model);
}

static const struct layer_summary *find_layer(const char *label, const char *op) {
    for (int64_t i = 0; i < summary.num_layers; i++) {
        const struct layer_summary *layer = &summary.layers[i];
        if (layer->label && strcmp(layer->label, label) == 0 && strcmp(layer->op, op) == 0)
            return layer;
    }
    return NULL;
}

static void expect_layer(const char *label, const char *op, const char *details, int64_t n,
                         int64_t h, int64_t w, int64_t c) {
    const struct layer_summary *layer = find_layer(label, op);
    if (!layer) printf("%s\n", label);
    REQUIRE(layer);
    EXPECT_TEXT(layer->details, details);
    EXPECT(layer->has_shape);
    EXPECT_INT(layer->n, n);
    EXPECT_INT(layer->h, h);
    EXPECT_INT(layer->w, w);
    EXPECT_INT(layer->c, c);
}

static void layers(void) {
    summarise("r50_bn_gct_gn_gct_270k.json", 2, (struct extent){800, 1216});
    expect_layer("backbone.body.conv1", "conv", "gct 7x7/2 bn relu", 2, 400, 608, 64);
    expect_layer("backbone.body.layer1.2.conv3", "conv", "gct 1x1 bn add relu", 2, 200, 304, 256);
    expect_layer("backbone.body.layer4.0.conv1", "conv", "gct 1x1/2 bn relu", 2, 25, 38, 512);
    expect_layer("backbone.body.layer4.0.conv2", "conv", "gct 3x3 bn relu", 2, 25, 38, 512);
    expect_layer("backbone.fpn.layer_blocks.0.0", "conv", "3x3", 2, 200, 304, 256);
    expect_layer("roi_heads.box_head.3.0", "conv", "gct 3x3", 2000, 7, 7, 256);
    expect_layer("roi_heads.box_head.3.0", "group_norm", "", 2000, 7, 7, 256);
    expect_layer("roi_heads.box_head.5", "linear", "", 2000, 1, 1, 1024);
    expect_layer("roi_heads.mask_predictor.mask_fcn_logits", "class_logits", "", 200, 28, 28, 1);
    EXPECT(!find_layer("proposals", "proposals")->has_shape);
    EXPECT_INT(summary.total_parameters, mask_rcnn_num_parameters(&model.network));
    int64_t sum = 0;
    double work = 0;
    for (int i = 0; i < NUM_MODEL_PARTS; i++) {
        sum += summary.parameters[i];
        work += summary.multiply_adds[i];
    }
    EXPECT_INT(sum, summary.total_parameters);
    EXPECT_NEAR(work, summary.total_multiply_adds, 1e-6 * work);
    EXPECT_INT(summary.parameter_bytes, 4 * (sum + summary.total_frozen_norm));
    // At least the largest of two neighbours.
    EXPECT(summary.step_bytes > 4LL * 2 * 200 * 304 * (256 + 256));
    detector_model_destroy(&model);
}

static void usual_size(void) {
    static const struct {
        const char *config;
        int32_t height, width;
    } cases[] = {{"detectron2_r50_fpn.json", 800, 1088},
                 {"torchvision_r50_fpn.json", 800, 1088},
                 {"demo.json", 128, 192}};
    for (int i = 0; i < 3; i++) {
        summarise(cases[i].config, 1, (struct extent){64, 64});
        struct extent size = model_summary_usual_size(&model.network);
        EXPECT_INT(size.height, cases[i].height);
        EXPECT_INT(size.width, cases[i].width);
        detector_model_destroy(&model);
    }
}

// Grouped convolutions and squeeze-excite.
static void variants(void) {
    const char *items[] = {"backbone.groups=32", "backbone.group_width=4"};
    struct error err;
    EXPECT_OK(detector_model_describe(&model, TESTS_DIR "/../configs/r50_bn_se_2fc_90k.json",
                                      &(struct option_texts){items, 2}, &err),
              &err);
    EXPECT_OK(
        model_summarise(&summary, &model.network, 1, (struct extent){64, 96}, &model.arena, &err),
        &err);
    expect_layer("backbone.body.layer1.0.conv2", "conv", "3x3 in 32 bn relu", 1, 16, 24, 128);
    expect_layer("backbone.body.layer1.0.conv3", "squeeze_excite", "", 1, 16, 24, 256);
    EXPECT_INT(summary.parameters[PART_STEM], 3 * 49 * 64);
    detector_model_destroy(&model);
}

static void table(void) {
    struct output out;
    summarise("demo.json", 1, (struct extent){32, 32});
    output_open_memory(&out);
    model_summary_write_table(&summary, &out);
    EXPECT_CONTAINS(out.data, "\nbackbone.body.conv1                         conv gct 7x7/2  ");
    EXPECT_CONTAINS(out.data, "\nproposals                                   proposals       ");
    EXPECT_CONTAINS(out.data, "\ntotal         2,047,614 ");
    EXPECT_CONTAINS(out.data, "for 1 x 32 x 32 (images x height x width), with 200 proposals\n");
    EXPECT(!strstr(out.data, "frozen")); // there are none
    EXPECT(!strstr(out.data, " \n"));
    output_discard(&out);
    detector_model_destroy(&model);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"multiply_adds", multiply_adds},
                                          {"layers", layers},
                                          {"usual_size", usual_size},
                                          {"variants", variants},
                                          {"table", table},
                                          {0}});
}
