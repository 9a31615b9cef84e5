// The files in configs/: the models that they describe, and how wrong ones are refused.
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file_view.h"
#include "base/output.h"
#include "detector/detector_model.h"
#include "tests/harness.h"

#define CONFIGS TESTS_DIR "/../configs/"

enum { PATH_BYTES = 512 };

static struct detector_model model;

static bool describe(const char *name, struct option_texts overrides, struct error *err) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, CONFIGS "%s", name);
    return detector_model_describe(&model, path, &overrides, err) == STATUS_OK;
}

static void expect_described(const char *name) {
    struct error err = {0};
    bool good = describe(name, (struct option_texts){0}, &err);
    if (!good) printf("%s\n", err.message);
    REQUIRE(good);
}

// Parameters as published: without batch norms (the paper's systems: 81 classes).
static const struct {
    const char *name;
    int64_t parameters;
} CONFIG_FILES[] = {
    {"base.json", 44347573},
    {"base_bn.json", 44347573},
    {"base_gct.json", 44415166},
    {"base_gn.json", 45715509},
    // The rows of the paper's table, in its order.
    {"r50_bn_2fc_90k.json", 44347573},
    {"r50_bn_se_2fc_90k.json", 46878565},
    {"r50_bn_gct_2fc_90k.json", 44415166},
    {"r101_bn_2fc_90k.json", 63287477},
    {"r101_bn_gct_2fc_90k.json", 63433406},
    {"r50_bn_2fc_270k.json", 44347573},
    {"r50_gn_gn_270k.json", 45715509},
    {"r50_bn_gct_gn_270k.json", 45726910},
    {"r50_bn_gct_gn_gct_270k.json", 45729982},
    {"r101_bn_2fc_270k.json", 63287477},
    {"r101_gn_gn_270k.json", 64707637},
    {"r101_bn_gct_gn_270k.json", 64745150},
    // Published: 44,401,393 and 46,359,409. The second counts the batch norms' weights and biases,
    // which are 2 x (26560 in the backbone + 8 x 256 in the pyramid + 8 x 256 in the heads).
    {"torchvision_r50_fpn.json", 44401393},
    {"torchvision_r50_fpn_v2.json", 46359409 - 2 * (26560 + 8 * 256 + 8 * 256)},
    {"detectron2_r50_fpn.json", 44347573},
    {"detectron2_r101_fpn.json", 63287477},
    {"demo.json", 2047614},
};

enum { NUM_CONFIG_FILES = sizeof CONFIG_FILES / sizeof *CONFIG_FILES };

static void parameters(void) {
    for (int i = 0; i < NUM_CONFIG_FILES; i++) {
        expect_described(CONFIG_FILES[i].name);
        int64_t count = mask_rcnn_num_parameters(&model.network);
        if (count != CONFIG_FILES[i].parameters) printf("%s\n", CONFIG_FILES[i].name);
        EXPECT_INT(count, CONFIG_FILES[i].parameters);
        detector_model_destroy(&model);
    }
}

// Nobody adds a file and forgets it here.
static void files(void) {
    int count = 0;
    DIR *folder = opendir(CONFIGS);
    REQUIRE(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += strstr(entry->d_name, ".json") != NULL;
    closedir(folder);
    EXPECT_INT(count, NUM_CONFIG_FILES);
}

static void classes(void) {
    expect_described("r50_bn_gct_2fc_90k.json");
    EXPECT_INT(model.config.classes.names.count, 80);
    EXPECT_INT(model.config.classes.ids.count, 80);
    EXPECT_TEXT(model.config.classes.names.items[11], "stop sign");
    EXPECT_INT(model.config.classes.ids.items[11], 13);
    EXPECT_TEXT(model.config.classes.names.items[79], "toothbrush");
    EXPECT_INT(model.config.classes.ids.items[79], 90);
    detector_model_destroy(&model);
    expect_described("torchvision_r50_fpn_v2.json");
    EXPECT_INT(model.config.classes.names.count, 90);
    EXPECT_INT(model.config.classes.ids.count, 0); // 1, 2, 3, ...
    EXPECT_TEXT(model.config.classes.names.items[11], "N/A");
    EXPECT_TEXT(model.config.classes.names.items[12], "stop sign");
    EXPECT_TEXT(model.config.classes.names.items[89], "toothbrush");
    detector_model_destroy(&model);
}

// ---- Names and shapes of parameters ----

static void describe_parameter(const struct parameter *p, struct output *out) {
    output_text(out, p->name);
    for (int i = 0; i < p->num_dims; i++)
        output_printf(out, " %lld", (long long)p->shape[i]);
    output_text(out, "\n");
}

static int compare_names(const void *a, const void *b) {
    const struct parameter *first = *(struct parameter *const *)a;
    const struct parameter *second = *(struct parameter *const *)b;
    return strcmp(first->name, second->name);
}

// What tests/oracle/state_dict_names.py found in torchvision.
static void expect_state_dict(const char *config, const char *list) {
    expect_described(config);
    struct parameters *all = &model.network.parameters;
    qsort(all->items, (size_t)all->count, sizeof(struct parameter *), compare_names);
    struct output out;
    output_open_memory(&out);
    for (int64_t i = 0; i < all->count; i++)
        describe_parameter(all->items[i], &out);
    struct file_view view;
    struct error err;
    EXPECT_OK(file_view_open(&view, list, 0, &err), &err);
    REQUIRE(view.data && out.data);
    EXPECT_INT(out.size, view.size);
    EXPECT(out.size == view.size && memcmp(out.data, view.data, (size_t)out.size) == 0);
    file_view_close(&view);
    output_discard(&out);
    detector_model_destroy(&model);
}

static void state_dicts(void) {
    expect_state_dict("torchvision_r50_fpn.json",
                      TESTS_DIR "/detector/state_dict/torchvision_r50_fpn.txt");
    expect_state_dict("torchvision_r50_fpn_v2.json",
                      TESTS_DIR "/detector/state_dict/torchvision_r50_fpn_v2.txt");
}

// ---- Initial values ----

static void expect_initial(const char *name, enum initial_kind kind, double scale) {
    const struct parameter *p = parameters_find(&model.network.parameters, name);
    if (!p || p->initial.kind != kind) printf("%s\n", name);
    REQUIRE(p);
    EXPECT_INT(p->initial.kind, kind);
    EXPECT_NEAR(p->initial.scale, scale, 1e-12);
}

static void initial_values(void) {
    expect_described("r50_bn_gct_gn_gct_270k.json");
    static const struct {
        const char *name;
        enum initial_kind kind;
        double square; // of the scale
    } cases[] = {
        {"backbone.body.conv1.weight", INITIAL_UNIFORM, 3.0 / (3 * 49)},
        {"backbone.body.layer3.2.conv2.weight", INITIAL_UNIFORM, 3.0 / (256 * 9)},
        {"backbone.body.layer2.0.downsample.0.weight", INITIAL_UNIFORM, 3.0 / 256},
        {"backbone.body.gct1.alpha", INITIAL_CONSTANT, 1},
        {"backbone.body.layer1.0.gct2.gamma", INITIAL_CONSTANT, 0},
        {"backbone.body.layer1.0.gct2.beta", INITIAL_CONSTANT, 0},
        {"backbone.body.bn1.weight", INITIAL_CONSTANT, 1},
        {"backbone.body.bn1.running_mean", INITIAL_CONSTANT, 0},
        {"backbone.body.bn1.running_var", INITIAL_CONSTANT, 1},
        {"backbone.fpn.inner_blocks.3.0.weight", INITIAL_UNIFORM, 3.0 / 2048},
        {"backbone.fpn.layer_blocks.0.0.weight", INITIAL_UNIFORM, 3.0 / (256 * 9)},
        {"backbone.fpn.layer_blocks.0.0.bias", INITIAL_CONSTANT, 0},
        {"rpn.head.conv.0.0.weight", INITIAL_NORMAL, 1e-4},
        {"rpn.head.cls_logits.weight", INITIAL_NORMAL, 1e-4},
        {"rpn.head.bbox_pred.weight", INITIAL_NORMAL, 1e-4},
        {"rpn.head.bbox_pred.bias", INITIAL_CONSTANT, 0},
        {"roi_heads.box_head.1.gct.alpha", INITIAL_CONSTANT, 1},
        {"roi_heads.box_head.1.0.weight", INITIAL_NORMAL, 2.0 / (256 * 9)},
        {"roi_heads.box_head.1.1.weight", INITIAL_CONSTANT, 1},
        {"roi_heads.box_head.1.1.bias", INITIAL_CONSTANT, 0},
        {"roi_heads.box_head.5.weight", INITIAL_UNIFORM, 3.0 / (256 * 49)},
        {"roi_heads.box_head.5.bias", INITIAL_CONSTANT, 0},
        {"roi_heads.box_predictor.cls_score.weight", INITIAL_NORMAL, 1e-4},
        {"roi_heads.box_predictor.bbox_pred.weight", INITIAL_NORMAL, 1e-6},
        {"roi_heads.mask_head.3.0.weight", INITIAL_NORMAL, 2.0 / (256 * 9)},
        {"roi_heads.mask_head.3.0.bias", INITIAL_CONSTANT, 0},
        {"roi_heads.mask_predictor.conv5_mask.weight", INITIAL_NORMAL, 2.0 / (256 * 4)},
        {"roi_heads.mask_predictor.mask_fcn_logits.weight", INITIAL_NORMAL, 1e-6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_initial(cases[i].name, cases[i].kind, sqrt(cases[i].square));
    detector_model_destroy(&model);
    expect_described("torchvision_r50_fpn.json");
    expect_initial("roi_heads.box_head.fc6.weight", INITIAL_UNIFORM, sqrt(3.0 / (256 * 49)));
    expect_initial("roi_heads.mask_predictor.mask_fcn_logits.weight", INITIAL_NORMAL,
                   sqrt(2.0 / 91));
    detector_model_destroy(&model);
}

// ---- Wrong configurations ----

// Whether demo.json with these values above it is refused with this message.
static void wrong_values(void) {
    static const struct {
        const char *override; // up to three, separated by ";"
        enum status status;
        const char *message;
    } cases[] = {
        {"box.scor=0.5", STATUS_USAGE, "box.scor: no such option; did you mean box.score?"},
        {"box.score", STATUS_USAGE, "\"box.score\" is not NAME=VALUE"},
        {"box.score=2", STATUS_USAGE, "box.score: 2 is not a number from 0 to 1"},
        {"backbone.depth=52", STATUS_USAGE, "backbone.depth: 52 is not one of 50, 101, 152"},
        {"conventions=caffe2", STATUS_USAGE, "conventions: \"caffe2\" is not one of detectron2,"},
        {"classes.ids=1,2", STATUS_DATA, "classes.ids: 2 values, expected 8"},
        {"classes.names=a,b;classes.ids=3,3", STATUS_DATA, "classes.ids: 3 stands there twice"},
        {"input.mean=1", STATUS_DATA, "input.mean: 1 values, expected 3"},
        {"input.std=1,2", STATUS_DATA, "input.std: 2 values, expected 3"},
        {"input.mean=1,2,1001", STATUS_USAGE, "input.mean: 1001 is not a number from -1000"},
        {"input.mean=1,nan,1", STATUS_USAGE, "input.mean: \"nan\" is not a number from -1000"},
        {"input.std=1,1,-1", STATUS_USAGE, "input.std: -1 is not a number from 1e-06"},
        {"input.std=1,0,1", STATUS_USAGE, "input.std: 0 is not a number from 1e-06"},
        {"input.long_side=100", STATUS_DATA, "input.long_side: 100 is less than"},
        {"backbone.blocks=3,4,6", STATUS_DATA, "backbone.blocks: 3 values, expected 4"},
        {"backbone.norm=none", STATUS_DATA, "backbone.norm: a backbone needs frozen_bn or gn"},
        {"backbone.width=12", STATUS_DATA, "backbone.width: 12 channels do not divide into 8"},
        {"backbone.group_width=4", STATUS_DATA, "backbone.group_width: 4 channels do not divide"},
        {"backbone.attention=se;backbone.norm=frozen_bn;backbone.width=3", STATUS_DATA,
         "backbone.attention: se needs a backbone.width of at least 4"},
        {"fpn.channels=60;fpn.norm=gn", STATUS_DATA, "fpn.channels: 60 channels do not divide"},
        {"mask.conv_channels=20;mask.norm=gn", STATUS_DATA, "mask.conv_channels: 20 channels"},
        {"box.convs=1;box.conv_channels=20;box.norm=gn", STATUS_DATA, "box.conv_channels: 20"},
        {"box.gct=true", STATUS_DATA, "box.gct: there are no convolutions"},
        {"rpn.anchor_sizes=1,2,3,4", STATUS_DATA, "rpn.anchor_sizes: 4 values, expected 5"},
        {"rpn.anchor_ratios=1:17:1", STATUS_DATA, "rpn.anchor_ratios: 17 values, expected 1 to"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        const char *items[3];
        struct option_texts overrides = {items, 0};
        snprintf(text, sizeof text, "%s", cases[i].override);
        for (char *rest = text, *item = strsep(&rest, ";"); item; item = strsep(&rest, ";"))
            items[overrides.count++] = item;
        struct error err = {0};
        bool refused = !describe("demo.json", overrides, &err);
        if (!refused) printf("%s\n", cases[i].override);
        REQUIRE(refused);
        EXPECT_INT(err.code, cases[i].status);
        EXPECT_CONTAINS(err.message, cases[i].message);
    }
}

static void lists_in_overrides(void) {
    // As the command line splits "rpn.anchor_sizes=8,16,32,64,128,box.nms=0.25".
    const char *items[] = {"rpn.anchor_sizes=8", "16", "32", "64", "128", "box.nms=0.25"};
    struct error err = {0};
    REQUIRE(describe("demo.json", (struct option_texts){items, 6}, &err));
    EXPECT_INT(model.config.rpn.anchor_sizes.count, 5);
    EXPECT_NEAR(model.config.rpn.anchor_sizes.items[4], 128, 0);
    EXPECT_NEAR(model.config.box.nms, 0.25, 0);
    detector_model_destroy(&model);
    EXPECT(!describe("demo.json", (struct option_texts){items + 1, 5}, &err));
    EXPECT_CONTAINS(err.message, "\"16,32,64,128\" is not NAME=VALUE");
}

static void wrong_files(void) {
    struct error err = {0};
    EXPECT(!describe("no_such.json", (struct option_texts){0}, &err));
    EXPECT_INT(err.code, STATUS_NO_INPUT);
    EXPECT_CONTAINS(err.message, "no_such.json: ");
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/wrong.json", scratch_folder());
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "wrong.json: "},
        {"[]", "a configuration must be an object"},
        {"{}", "classes.names: 0 names, expected 1 to 4000"},
        {"{\"classes\": {\"names\": [\"a\"]}, \"bacbone\": {}}", "bacbone: no such option"},
        {"{\"classes\": {\"names\": \"a\"}}", "classes.names: \"a\" is not a list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EXPECT_OK(output_save(path, cases[i].text, (int64_t)strlen(cases[i].text), &err), &err);
        EXPECT_STATUS(detector_model_describe(&model, path, NULL, &err), STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
        EXPECT_CONTAINS(err.message, "wrong.json: ");
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"parameters", parameters},
                                          {"files", files},
                                          {"classes", classes},
                                          {"state_dicts", state_dicts},
                                          {"initial_values", initial_values},
                                          {"wrong_values", wrong_values},
                                          {"lists_in_overrides", lists_in_overrides},
                                          {"wrong_files", wrong_files},
                                          {0}});
}
