// Imports of whole models, made by Python programs in tests/oracle: torchvision's detectors find
// here what they find there, and the layouts of all families give the same tensors.
#include "detector/import/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "detector/detect.h"
#include "tests/harness.h"
#include "tests/program.h"

enum { PATH_BYTES = 512, NUM_PHOTOS = 3 };

static struct arena arena; // of the running case
static struct error err;

static const char *scratch_path(const char *name) {
    static char paths[4][PATH_BYTES];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_BYTES, "%s/%s", scratch_folder(), name);
    return path;
}

static void require_python(const char *package, const char *reason) {
    char line[128];
    snprintf(line, sizeof line, "/usr/bin/python3 -c 'import %s'", package);
    if (run_program(line) != 0) skip_case(reason);
}

static void run_python(const char *arguments) {
    char line[2048];
    snprintf(line, sizeof line,
             "cd $SCRATCH; PYTHONDONTWRITEBYTECODE=1 nice /usr/bin/python3 " TESTS_DIR "/oracle/%s",
             arguments);
    int code = run_program(line);
    EXPECT_TEXT(program_errors, "");
    REQUIRE(code == 0);
}

static void import_file(struct import *import, const struct import_request *request) {
    enum status status = import_model(import, request, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

// ---- torchvision ----

// What tests/oracle/torchvision_models.py has set.
static const char *const SETTINGS[] = {"input.short_side=256", "input.long_side=427",
                                       "box.score=0.02", "box.detections=50",
                                       "rpn.post_nms_test=300"};

struct expected {
    int label;
    double score;
    double box[4];
    struct rle mask;
};

// The next detection of the text.
static void read_expected(FILE *text, const struct image *image, struct expected *e) {
    long long num_runs = 0;
    REQUIRE(fscanf(text, "%d %lf %lf %lf %lf %lf %lld", &e->label, &e->score, &e->box[0],
                   &e->box[1], &e->box[2], &e->box[3], &num_runs) == 7);
    uint32_t *runs = arena_alloc(&arena, num_runs, sizeof *runs);
    REQUIRE(runs);
    for (long long i = 0; i < num_runs; i++)
        REQUIRE(fscanf(text, "%u", &runs[i]) == 1);
    e->mask = (struct rle){image->height, image->width, num_runs, runs};
}

static bool is_same(const struct expected *e, const struct detection *d) {
    if (d->label != e->label || fabs((double)d->score - e->score) > 1e-3) return false;
    for (int i = 0; i < 4; i++)
        if (fabs((double)d->box[i] - e->box[i]) > 0.5) return false;
    bool both_empty = rle_area(&e->mask) == 0 && rle_area(&d->mask) == 0;
    return both_empty || rle_iou(&d->mask, &e->mask, false) > 0.98;
}

static void compare_photo(FILE *text, struct nn *nn, struct mask_rcnn *model) {
    char path[PATH_BYTES];
    long long count = 0;
    struct image image;
    struct image_limits limits = image_limits_default();
    struct detection_list found;
    REQUIRE(fscanf(text, " photo %511s %lld", path, &count) == 2);
    EXPECT_OK(image_load(&image, NULL, path, &limits, true, &arena, &err), &err);
    EXPECT_OK(detect_images(nn, model, &image, 1, &arena, &found, &err), &err);
    long long num_same = 0;
    for (long long i = 0; i < count; i++) {
        struct expected e;
        read_expected(text, &image, &e);
        int64_t j = 0;
        while (j < found.count && !is_same(&e, &found.items[j]))
            j++;
        num_same += j < found.count;
    }
    printf("%s: %lld of %lld detections, %lld found\n", path, num_same, count,
           (long long)found.count);
    EXPECT(count > 10);
    EXPECT((double)num_same >= 0.95 * (double)count);
    EXPECT(llabs(count - (long long)found.count) <= count / 20);
}

static void compare_model(const char *text_path, struct mask_rcnn *model) {
    struct nn *nn = NULL;
    EXPECT_OK(nn_create(&nn, &(struct nn_options){.num_threads = 2}, &err), &err);
    FILE *text = fopen(text_path, "r");
    REQUIRE(nn && text);
    for (int i = 0; i < NUM_PHOTOS; i++)
        compare_photo(text, nn, model);
    fclose(text);
    nn_destroy(nn);
}

static void expect_same_weights(const struct import *a, const struct import *b) {
    const struct parameters *first = &a->model.network.parameters;
    const struct parameters *second = &b->model.network.parameters;
    REQUIRE(first->count == second->count);
    for (int64_t i = 0; i < first->count; i++) {
        const struct parameter *p = first->items[i];
        const struct parameter *q = parameters_find(second, p->name);
        REQUIRE(q && p->count == q->count);
        bool same = memcmp(p->data, q->data, (size_t)p->count * sizeof *p->data) == 0;
        if (!same) printf("%s\n", p->name);
        EXPECT(same);
    }
}

static void torchvision(const char *version, int64_t num_parameters) {
    static const char *const photos[NUM_PHOTOS] = {"000000000071.jpg", "000000000599.jpg",
                                                   "000000311303.jpg"};
    char arguments[1024];
    char name[64];
    int size =
        snprintf(arguments, sizeof arguments, "torchvision_models.py %s %s", version, version);
    for (int i = 0; i < NUM_PHOTOS; i++) {
        snprintf(name, sizeof name, "data/coco-mini/images/%s", photos[i]);
        const char *path = shared_path(name);
        if (!path) skip_case("there is no data/coco-mini in the shared folder");
        size += snprintf(arguments + size, sizeof arguments - (size_t)size, " %s", path);
    }
    require_python("torchvision", "python3-torchvision is not installed");
    run_python(arguments);
    arena_init(&arena, 1 << 20, 0);
    struct import imports[2];
    const struct option_texts overrides = {SETTINGS, sizeof SETTINGS / sizeof *SETTINGS};
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s%s.pth", version, i ? ".legacy" : "");
        const struct import_request request = {.source = scratch_path(name),
                                               .overrides = &overrides};
        import_file(&imports[i], &request);
        remove(request.source); // 178 MB
    }
    expect_same_weights(&imports[0], &imports[1]);
    import_destroy(&imports[1]);
    // The published counts, without the norms' for the second version.
    EXPECT_INT(mask_rcnn_num_parameters(&imports[0].model.network), num_parameters);
    EXPECT_INT(imports[0].model.config.classes.names.count, 90);
    EXPECT_TEXT(imports[0].model.config.classes.names.items[89], "toothbrush");
    EXPECT_TEXT(imports[0].model.config.classes.names.items[11], "N/A");
    snprintf(name, sizeof name, "%s.txt", version);
    compare_model(scratch_path(name), &imports[0].model.network);
    import_destroy(&imports[0]);
    arena_destroy(&arena);
}

static void torchvision_v1(void) {
    torchvision("v1", 44401393);
}

static void torchvision_v2(void) {
    torchvision("v2", 46298097);
}

// ---- The other families ----

// Writes the files, once.
static void make_families(void) {
    static bool made;
    require_python("torch", "python3-torch is not installed");
    if (!made) run_python("other_families.py .");
    made = true;
}

static const char *const FOUR_GROUPS = "norm_groups=4"; // the models are narrow

static void import_family(struct import *import, const char *name, bool backbone_only) {
    const struct option_texts overrides = {&FOUR_GROUPS, 1};
    const struct import_request request = {
        .source = scratch_path(name), .overrides = &overrides, .backbone_only = backbone_only};
    import_file(import, &request);
}

struct family_case {
    const char *file;
    const char *reference; // in our own layout
    double epsilon;
    enum family_kind family;
    bool stride_in_1x1;
    bool is_bgr;
};

static const struct family_case FAMILIES[] = {
    {"bn_detectron2_0.pkl", "ours_bn.pth", 1e-5, FAMILY_DETECTRON2, true, true},
    {"bn_detectron2_1.pkl", "ours_bn.pth", 1e-5, FAMILY_DETECTRON2, true, true},
    {"bn_detectron2_2.pkl", "ours_bn.pth", 1e-5, FAMILY_DETECTRON2, true, true},
    {"bn_detectron2_3.pkl", "ours_bn.pth", 1e-5, FAMILY_DETECTRON2, true, true},
    {"bn_detectron2_4.pkl", "ours_bn.pth", 1e-5, FAMILY_DETECTRON2, true, true},
    {"bn_detectron2_5.pkl", "ours_bn.pth", 1e-5, FAMILY_DETECTRON2, true, true},
    {"bn_detectron2.pth", "ours_bn.pth", 1e-5, FAMILY_DETECTRON2, true, true},
    {"bn_detectron.pkl", "ours_bn.pth", 1e-5, FAMILY_DETECTRON, true, true},
    {"bn_benchmark.pth", "ours_bn.pth", 0, FAMILY_MASKRCNN_BENCHMARK, true, true},
    {"gn_detectron2_4.pkl", "ours_gn.pth", 1e-5, FAMILY_DETECTRON2, false, true},
    {"gn_detectron2.pth", "ours_gn.pth", 1e-5, FAMILY_DETECTRON2, false, true},
    {"gn_detectron.pkl", "ours_gn.pth", 1e-5, FAMILY_DETECTRON, false, true},
    {"gn_benchmark.pth", "ours_gn.pth", 0, FAMILY_MASKRCNN_BENCHMARK, false, true},
    {"gct_benchmark.pth", "ours_gct.pth", 0, FAMILY_GCT, true, false},
    {"rounded_half.pth", "ours_rounded.pth", 0, FAMILY_TORCHVISION, false, false},
    {"rounded_bfloat.pth", "ours_rounded.pth", 0, FAMILY_TORCHVISION, false, false},
    {"rounded_double.pth", "ours_rounded.pth", 0, FAMILY_TORCHVISION, false, false},
    {"rounded_channels_last.pth", "ours_rounded.pth", 0, FAMILY_TORCHVISION, false, false},
    {"rounded_views.pth", "ours_rounded.pth", 0, FAMILY_TORCHVISION, false, false},
};

static void families(void) {
    make_families();
    for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++) {
        const struct family_case *c = &FAMILIES[i];
        struct import reference;
        struct import import;
        import_family(&reference, c->reference, false);
        import_family(&import, c->file, false);
        const struct model_config *config = &import.model.config;
        EXPECT_INT(import.map.family->kind, c->family);
        EXPECT_INT(config->conventions, c->family == FAMILY_TORCHVISION ? CONVENTIONS_TORCHVISION
                                                                        : CONVENTIONS_DETECTRON2);
        EXPECT_INT(config->backbone.stride_in_1x1, c->stride_in_1x1);
        EXPECT_INT(config->input.channel_order, c->is_bgr ? CHANNELS_BGR : CHANNELS_RGB);
        EXPECT_NEAR(config->backbone.norm_epsilon, c->epsilon, 0);
        EXPECT_INT(config->classes.names.count, 4);
        expect_same_weights(&reference, &import);
        import_destroy(&import);
        import_destroy(&reference);
    }
}

static void expect_same_backbone(const struct import *a, const struct import *b) {
    const struct parameters *first = &a->model.network.parameters;
    int num_compared = 0;
    for (int64_t i = 0; i < first->count; i++) {
        const struct parameter *p = first->items[i];
        const struct parameter *q = parameters_find(&b->model.network.parameters, p->name);
        if (strncmp(p->name, "backbone.body.", 14) != 0) continue;
        REQUIRE(q && p->count == q->count);
        EXPECT(memcmp(p->data, q->data, (size_t)p->count * sizeof *p->data) == 0);
        num_compared++;
    }
    EXPECT(num_compared > 50);
}

// Classifiers, whose files hold a backbone alone.
static void backbones(void) {
    static const struct {
        const char *file;
        enum family_kind family;
        const char *reference;
        int64_t num_fresh;
    } cases[] = {
        {"bn_caffe2.pkl", FAMILY_DETECTRON, "ours_bn.pth", 42},
        {"bn_classifier.pth", FAMILY_TORCHVISION, "ours_bn.pth", 42},
        {"gct_classifier.pth", FAMILY_GCT, "ours_gct.pth", 42},
    };
    make_families();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct import reference;
        struct import import;
        import_family(&reference, cases[i].reference, false);
        import_family(&import, cases[i].file, true);
        EXPECT_INT(import.map.family->kind, cases[i].family);
        EXPECT_INT(import.num_keys[KEY_FRESH], cases[i].num_fresh);
        EXPECT_INT(import.model.config.classes.names.count, 80);
        EXPECT_INT(import.model.config.classes.ids.items[79], 90);
        EXPECT_NEAR(import.model.config.backbone.norm_epsilon, 1e-5, 0);
        expect_same_backbone(&reference, &import);
        import_destroy(&import);
        import_destroy(&reference);
    }
}

// A plain backbone becomes one with gates, which are the identity; a detector's pyramid comes
// along.
static void fine_tuning(void) {
    static const char *const items[] = {"classes.names=cat,dog", "backbone.attention=gct"};
    struct import reference;
    struct import import;
    make_families();
    import_family(&reference, "ours_bn.pth", false);
    const struct option_texts overrides = {items, 2};
    const struct import_request request = {.source = scratch_path("bn_detectron2_4.pkl"),
                                           .overrides = &overrides,
                                           .backbone_only = true};
    import_file(&import, &request);
    expect_same_backbone(&reference, &import);
    const struct parameters *parameters = &import.model.network.parameters;
    const struct parameter *p = parameters_find(parameters, "backbone.fpn.inner_blocks.2.0.weight");
    const struct parameter *q = parameters_find(&reference.model.network.parameters,
                                                "backbone.fpn.inner_blocks.2.0.weight");
    REQUIRE(p && q);
    EXPECT(memcmp(p->data, q->data, (size_t)p->count * sizeof *p->data) == 0);
    p = parameters_find(parameters, "backbone.body.layer2.0.gct2.alpha");
    REQUIRE(p);
    EXPECT_NEAR((double)p->data[0], 1, 0);
    p = parameters_find(parameters, "roi_heads.box_predictor.cls_score.weight");
    REQUIRE(p);
    EXPECT_INT(p->shape[0], 3);
    EXPECT(p->data[0] != 0);
    import_destroy(&import);
    import_destroy(&reference);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"torchvision_v1", torchvision_v1},
                                          {"torchvision_v2", torchvision_v2},
                                          {"families", families},
                                          {"backbones", backbones},
                                          {"fine_tuning", fine_tuning},
                                          {0}});
}
