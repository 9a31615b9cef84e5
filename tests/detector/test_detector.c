// The detector that commands and the library share: opening, limits, company of other images, its
// detections as COCO's records, and the self-test.
#include "detector/detector.h"

#include <math.h>
#include <stdio.h>

#include "data/coco_write.h"
#include "detector/coco_result.h"
#include "detector/self_test.h"
#include "tests/detector/check_model.h"
#include "tests/harness.h"

enum { NUM_IMAGES = 6, PATH_BYTES = 512 };

static const struct nn_options TWO_THREADS = {.num_threads = 2};

static struct arena arena; // of images and detections

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

// A model file with fresh weights; ids may be "".
static const char *make_model(const char *ids) {
    static const char *const SETTINGS[] = {"classes.names=a,b,c,d",  "input.short_side=96",
                                           "input.long_side=160",    "backbone.blocks=1,1,1,1",
                                           "backbone.width=16",      "backbone.group_width=16",
                                           "backbone.norm=gn",       "norm_groups=8",
                                           "backbone.attention=gct", "fpn.channels=32",
                                           "box.hidden=32",          "rpn.post_nms_test=40",
                                           "mask.convs=1",           "mask.conv_channels=16"};
    enum { COUNT = sizeof SETTINGS / sizeof SETTINGS[0] };
    const char *items[COUNT + 1];
    struct detector_model model;
    struct error err;
    memcpy(items, SETTINGS, sizeof SETTINGS);
    items[COUNT] = ids;
    const struct option_texts overrides = {items, COUNT + (*ids != '\0')};
    REQUIRE(detector_model_create(&model, NULL, &overrides, false, 3, &err) == STATUS_OK);
    EXPECT_OK(detector_model_save(&model, scratch_path("m.safetensors"), &err), &err);
    detector_model_destroy(&model);
    return scratch_path("m.safetensors");
}

static void begin(struct detector *detector, const char *ids) {
    struct error err;
    arena_destroy(&arena);
    arena_init(&arena, 1 << 20, 0);
    EXPECT_OK(detector_open(detector, make_model(ids), NULL, &TWO_THREADS, &err), &err);
    REQUIRE(detector->nn != NULL);
}

static void detect(struct detector *detector, const struct image *images, int64_t count,
                   const struct detection_limits *limits, struct detection_list *lists) {
    struct error err;
    EXPECT_OK(detector_detect(detector, images, count, limits, &arena, lists, &err), &err);
}

// Images of several padded sizes, neighbours equal and not.
static void company(void) {
    static const int32_t SIDES[NUM_IMAGES][2] = {{150, 110}, {151, 111}, {80, 160},
                                                 {150, 110}, {40, 40},   {60, 60}};
    struct detector detector;
    struct image images[NUM_IMAGES];
    struct detection_list together[NUM_IMAGES];
    begin(&detector, "");
    for (int i = 0; i < NUM_IMAGES; i++)
        images[i] = noise_image(SIDES[i][0], SIDES[i][1], (uint64_t)i, &arena);
    detect(&detector, images, NUM_IMAGES, NULL, together);
    for (int i = 0; i < NUM_IMAGES; i++) {
        struct detection_list alone;
        detect(&detector, &images[i], 1, NULL, &alone);
        EXPECT(alone.count > 0);
        EXPECT(same_detections(&alone, &together[i]));
    }
    detect(&detector, images, 0, NULL, together); // nothing to do
    detector_close(&detector);
}

static void limits(void) {
    struct detector detector;
    struct detection_list all;
    struct detection_list some;
    begin(&detector, "");
    struct image image = noise_image(150, 110, 1, &arena);
    detect(&detector, &image, 1, NULL, &all);
    REQUIRE(all.count > 4);
    detect(&detector, &image, 1, &(struct detection_limits){.min_score = -1, .max_detections = 3},
           &some);
    struct detection_list prefix = {all.items, 3};
    EXPECT(same_detections(&prefix, &some));
    // Just those above the third's score.
    double score = (double)all.items[2].score;
    prefix.count = 0;
    while ((double)all.items[prefix.count].score > score)
        prefix.count++;
    detect(&detector, &image, 1, &(struct detection_limits){.min_score = score}, &some);
    EXPECT(same_detections(&prefix, &some));
    detect(&detector, &image, 1, NULL, &some); // the model's own hold again
    EXPECT(same_detections(&all, &some));
    detector_close(&detector);
}

static double overlap(const float *a, const float *b) {
    double width = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    double height = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    double shared = fmax(width, 0) * fmax(height, 0);
    return shared /
           ((double)((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])) - shared);
}

static double largest_overlap(const struct detection_list *list) {
    double largest = 0;
    for (int64_t i = 0; i < list->count; i++)
        for (int64_t k = 0; k < i; k++)
            if (list->items[i].label == list->items[k].label)
                largest = fmax(largest, overlap(list->items[i].box, list->items[k].box));
    return largest;
}

// Overlaps that are allowed, and where masks begin.
static void limits_of_overlap_and_masks(void) {
    struct detector detector;
    struct detection_list all;
    struct detection_list few;
    struct detection_list many;
    begin(&detector, "");
    struct image image = noise_image(150, 110, 1, &arena);
    struct detection_limits limits = {.min_score = 0, .max_detections = 1000};
    detect(&detector, &image, 1, &limits, &all);
    limits.nms = 0.1;
    detect(&detector, &image, 1, &limits, &few);
    limits.nms = 0.9;
    detect(&detector, &image, 1, &limits, &many);
    EXPECT(few.count < all.count && all.count < many.count);
    EXPECT(largest_overlap(&few) <= 0.1 + 1e-6 && largest_overlap(&many) > 0.5);
    limits.nms = 0;
    limits.mask_threshold = 0.45;
    detect(&detector, &image, 1, &limits, &many);
    limits.mask_threshold = 0.55;
    detect(&detector, &image, 1, &limits, &few);
    REQUIRE(few.count == all.count && many.count == all.count);
    int64_t area[3] = {0};
    for (int64_t i = 0; i < all.count; i++) {
        const struct rle *exact = &all.items[i].mask;
        area[0] += rle_area(&few.items[i].mask);
        area[1] += rle_area(exact);
        area[2] += rle_area(&many.items[i].mask);
        // A mask at a higher threshold lies within that at a lower one.
        EXPECT_INT(rle_intersection_area(exact, &few.items[i].mask), rle_area(&few.items[i].mask));
        EXPECT_INT(rle_intersection_area(exact, &many.items[i].mask), rle_area(exact));
    }
    EXPECT(area[0] < area[1] && area[1] < area[2]);
    limits.mask_threshold = 0.5;
    detect(&detector, &image, 1, &limits, &many);
    EXPECT(same_detections(&all, &many));
    EXPECT(detector.seconds.preprocess > 0 && detector.seconds.infer > 0);
    detector_close(&detector);
}

// A network that computes nonsense says so; it does not seem to find nothing.
static void not_finite(void) {
    static const struct {
        const char *parameter;
        float value;
        const char *message;
    } cases[] = {
        {"backbone.body.bn1.weight", 3e38F, "the network's scores of proposals are not finite"},
        {"rpn.head.cls_logits.bias", NAN, "the network's scores of proposals are not finite"},
        {"rpn.head.bbox_pred.bias", -INFINITY, "the network's boxes of proposals are not finite"},
        {"roi_heads.box_predictor.cls_score.bias", INFINITY, "the network's scores are not finite"},
        {"roi_heads.box_predictor.bbox_pred.bias", NAN, "the network's boxes are not finite"},
        {"roi_heads.mask_predictor.mask_fcn_logits.bias", NAN,
         "the network's masks are not finite"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct detector detector;
        struct detection_list list;
        struct error err;
        begin(&detector, "");
        struct image image = noise_image(80, 60, 1, &arena);
        struct parameters *parameters = &detector.model.network.parameters;
        struct parameter *p = parameters_find(parameters, cases[i].parameter);
        REQUIRE(p);
        float *values = arena_alloc(&arena, p->count, sizeof *values);
        REQUIRE(values);
        memcpy(values, p->data, (size_t)p->count * sizeof *values);
        for (int64_t k = 0; k < p->count; k++)
            p->data[k] = cases[i].value;
        parameters_changed(parameters);
        EXPECT_STATUS(detector_detect(&detector, &image, 1, NULL, &arena, &list, &err), STATUS_DATA,
                      &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
        memcpy(p->data, values, (size_t)p->count * sizeof *values);
        parameters_changed(parameters);
        detect(&detector, &image, 1, NULL, &list); // the next one is as good as ever
        detector_close(&detector);
    }
}

static void classes(void) {
    struct detector detector;
    begin(&detector, "");
    EXPECT_INT(detector_num_classes(&detector), 4);
    EXPECT_TEXT(detector_class_name(&detector, 4), "d");
    EXPECT_INT(detector_category_id(&detector, 4), 4);
    detector_close(&detector);
    begin(&detector, "classes.ids=3,5,90,7");
    EXPECT_INT(detector_category_id(&detector, 3), 90);
    detector_close(&detector);
    detector_close(&detector); // zeroed
}

static void bad_models(void) {
    struct detector detector;
    struct error err;
    EXPECT_STATUS(detector_open(&detector, scratch_path("none"), NULL, NULL, &err), STATUS_NO_INPUT,
                  &err);
    EXPECT_CONTAINS(err.message, "none: No such file");
    EXPECT_STATUS(detector_open(&detector, TESTS_DIR "/../configs/demo.json", NULL, NULL, &err),
                  STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "demo.json: not a model file");
    const char *const items[] = {"box.hidden=64"};
    EXPECT_STATUS(
        detector_open(&detector, make_model(""), &(struct option_texts){items, 1}, NULL, &err),
        STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "m.safetensors");
    const char *const other[] = {"box.score=0.3"};
    EXPECT_OK(
        detector_open(&detector, make_model(""), &(struct option_texts){other, 1}, NULL, &err),
        &err);
    EXPECT_NEAR(detector.model.config.box.score, 0.3, 0);
    detector_close(&detector);
}

static void records(void) {
    const uint32_t runs[] = {23, 4, 6, 4, 163}; // two columns of four pixels in 20 x 10
    const struct detection detection = {
        .box = {1.5f, 2.25f, 5, 8}, .score = 0.75f, .label = 2, .mask = {10, 20, 5, runs}};
    struct coco_annotation record;
    struct coco_writer writer;
    struct error err;
    arena_destroy(&arena);
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(coco_result_of(&record, &detection, 7, 90, &arena, &err), &err);
    EXPECT_INT(record.image_id, 7);
    EXPECT_INT(record.category_id, 90);
    EXPECT_NEAR(record.box.x, 1.5, 0);
    EXPECT_NEAR(record.box.width, 3.5, 0);
    EXPECT_NEAR(record.box.height, 5.75, 0);
    EXPECT_NEAR(record.score, 0.75, 0);
    EXPECT(!record.has_area);
    record.box = rle_box(&detection.mask);
    record.area = (double)rle_area(&detection.mask);
    record.has_area = true;
    record.has_score = true;
    EXPECT_NEAR(record.box.x, 2, 0);
    EXPECT_NEAR(record.box.y, 3, 0);
    EXPECT_NEAR(record.box.width, 2, 0);
    EXPECT_NEAR(record.box.height, 4, 0);
    EXPECT_NEAR(record.area, 8, 0);
    // The score is written, and the file is one that the loader likes.
    struct coco_set set;
    const struct coco_load_options options = {0};
    record.id = 1;
    EXPECT_OK(coco_writer_open_set(&writer, scratch_path("set.json"), "", &err), &err);
    coco_write_annotation(&writer, &record);
    EXPECT_OK(coco_writer_commit(&writer, &err), &err);
    EXPECT_OK(coco_load_annotations(&set, scratch_path("set.json"), &options, &err), &err);
    REQUIRE(set.num_annotations == 1);
    struct rle mask;
    EXPECT_OK(coco_segment_to_rle(&mask, &set.annotations[0].segment, 10, 20, &arena, &err), &err);
    EXPECT_INT(mask.num_runs, 5);
    EXPECT(memcmp(mask.runs, runs, sizeof runs) == 0);
    coco_destroy(&set);
}

static void self_tests(void) {
    int count = 0;
    for (const struct self_test *test = SELF_TESTS; test->name; test++, count++)
        for (int threads = 1; threads <= 2; threads++) {
            struct error err = {0};
            const struct nn_options options = {.num_threads = threads};
            EXPECT_OK(test->run(&options, &err), &err);
        }
    EXPECT_INT(count, 3);
}

int main(int argc, char **argv) {
    int status = run_cases(argc, argv,
                           (struct test_case[]){
                               {"company", company},
                               {"limits", limits},
                               {"limits of overlap and masks", limits_of_overlap_and_masks},
                               {"not finite", not_finite},
                               {"classes", classes},
                               {"bad models", bad_models},
                               {"records", records},
                               {"self-tests", self_tests},
                               {0},
                           });
    arena_destroy(&arena);
    return status;
}
