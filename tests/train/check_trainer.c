#include "tests/train/check_trainer.h"

#include <stdio.h>

#include "data/shapes_set.h"
#include "tests/harness.h"

enum { PATH_BYTES = 4096, MAX_SETTINGS = 64 };

static const char *const SMALL[] = {
    "input.short_side=48",    "input.long_side=64",      "backbone.width=8",
    "backbone.group_width=8", "backbone.blocks=1,1,1,1", "norm_groups=4",
    "fpn.channels=16",        "rpn.pre_nms_train=400",   "rpn.post_nms_train=200",
    "rpn.sampled=128",        "box.hidden=16",           "box.sampled=64",
    "mask.convs=1",           "mask.conv_channels=8",    "schedule.batch=4",
    "schedule.group=2",       "schedule.drops=1000000",  "schedule.warmup=0",
};
enum { NUM_SMALL = sizeof SMALL / sizeof *SMALL };

const char *tiny_image_folder(void) {
    static char folder[PATH_BYTES];
    struct error err;
    if (folder[0]) return folder;
    const struct shapes_set_options options = {.seed = 1,
                                               .num_train = TINY_IMAGES,
                                               .num_val = 3,
                                               .width = TINY_WIDTH,
                                               .height = TINY_HEIGHT,
                                               .jpeg_quality = 90};
    EXPECT_OK(shapes_write_set(scratch_folder(), &options, NULL, &err), &err);
    snprintf(folder, sizeof folder, "%s/images", scratch_folder());
    return folder;
}

const char *tiny_annotations(const char *split) {
    static char path[PATH_BYTES];
    (void)tiny_image_folder();
    snprintf(path, sizeof path, "%s/annotations/instances_%s.json", scratch_folder(), split);
    return path;
}

static void load(struct tiny_training *tiny, const char *annotations) {
    const struct coco_load_options options = {0};
    struct error err;
    enum status status =
        annotations[0] == '{'
            ? coco_parse_annotations(&tiny->set, annotations, (int64_t)strlen(annotations),
                                     "set.json", &options, &err)
            : coco_load_annotations(&tiny->set, annotations, &options, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

void tiny_training_create(struct tiny_training *tiny, const char *annotations,
                          const char *const *settings) {
    const char *items[MAX_SETTINGS];
    struct option_texts all = {items, NUM_SMALL};
    const struct nn_options nn = {.num_threads = 1}; // faster, for so little
    const struct communicator_options communicator = {0};
    struct error err;
    *tiny = (struct tiny_training){0};
    (void)tiny_image_folder();
    memcpy(items, SMALL, sizeof SMALL);
    while (settings && *settings) {
        REQUIRE(all.count < MAX_SETTINGS);
        items[all.count++] = *settings++;
    }
    load(tiny, annotations);
    enum status status = detector_model_create(
        &tiny->detector.model, TESTS_DIR "/../configs/demo.json", &all, true, 1, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    EXPECT_OK(nn_create(&tiny->detector.nn, &nn, &err), &err);
    arena_init(&tiny->arena, 1 << 16, 0);
    status =
        dataset_make(&tiny->dataset, &tiny->set, &tiny->detector.model.config, &tiny->arena, &err);
    EXPECT_OK(status, &err);
    EXPECT_OK(communicator_open(&tiny->communicator, &communicator, &err), &err);
    REQUIRE(tiny->detector.nn && tiny->communicator && status == STATUS_OK);
}

void tiny_training_destroy(struct tiny_training *tiny) {
    EXPECT_OK(communicator_close(tiny->communicator, NULL), NULL);
    detector_close(&tiny->detector);
    arena_destroy(&tiny->arena);
    coco_destroy(&tiny->set);
}
