// libgctmask with a device, through its public header: the same detections as on the processor,
// from several threads too.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "library/gctmask.h"
#include "tests/gpu.h"
#include "tests/harness.h"
#include "tests/program.h"

enum { PATH_BYTES = 512, NUM_THREADS = 3 };

static char message[GCTMASK_MESSAGE_BYTES];

static const char *scratch_path(char path[PATH_BYTES], const char *name) {
    snprintf(path, PATH_BYTES, "%s/%s", scratch_folder(), name);
    return path;
}

static struct gctmask_model *open_model(const char *device) {
    struct gctmask_model *model = NULL;
    struct gctmask_options options = {.size = sizeof options, .num_threads = 2, .device = device};
    char path[PATH_BYTES];
    setenv("GCTMASK_CUDA_MODULE", tested_cuda_module(CUDA_MODULE), 1);
    EXPECT_INT(
        run_program("cd $SCRATCH; test -e m.safetensors || gctmask init --config " TESTS_DIR
                    "/../configs/demo.json --quiet --set input.short_side=48,input.long_side=64,"
                    "box.detections=10,rpn.post_nms_test=30 --out m.safetensors && gctmask "
                    "make-shapes in --images 0 --val-images 1 --size 64x48 --quiet"),
        0);
    enum gctmask_status status = gctmask_open(scratch_path(path, "m.safetensors"), &options, &model,
                                              message, sizeof message);
    if (status == GCTMASK_DEVICE && strstr(message, "no device can be used")) skip_case(message);
    EXPECT_TEXT(message, "");
    REQUIRE(model != NULL);
    return model;
}

static struct gctmask_result *detect(struct gctmask_model *model) {
    struct gctmask_result *result = NULL;
    char text[GCTMASK_MESSAGE_BYTES];
    char path[PATH_BYTES];
    const struct gctmask_detect_options all = {.size = sizeof all, .has_min_score = 1};
    EXPECT_INT(gctmask_detect_file(model, scratch_path(path, "in/images/val_000001.jpg"), &all,
                                   &result, text, sizeof text),
               GCTMASK_OK);
    EXPECT_TEXT(text, "");
    return result;
}

static void expect_same(const struct gctmask_result *a, const struct gctmask_result *b) {
    EXPECT(gctmask_num_detections(a) >= 5);
    EXPECT_INT(gctmask_num_detections(b), gctmask_num_detections(a));
    for (int64_t i = 0; i < gctmask_num_detections(a); i++) {
        const struct gctmask_detection *d = gctmask_detection(a, i);
        bool is_found = false;
        for (int64_t j = 0; j < gctmask_num_detections(b) && !is_found; j++) {
            const struct gctmask_detection *e = gctmask_detection(b, j);
            is_found = e->label == d->label && fabsf(e->score - d->score) < 1e-3F;
            for (int k = 0; k < 4; k++)
                is_found = is_found && fabsf(e->box[k] - d->box[k]) < 0.05F;
        }
        EXPECT(is_found);
    }
}

static void same_detections(void) {
    struct gctmask_model *cpu = open_model(NULL);
    struct gctmask_model *cuda = open_model("cuda:0");
    struct gctmask_result *expected = detect(cpu);
    struct gctmask_result *got = detect(cuda);
    expect_same(expected, got);
    gctmask_free(expected);
    gctmask_free(got);
    gctmask_close(cpu);
    gctmask_close(cuda);
}

static void *detect_in_thread(void *model) {
    return detect(model);
}

static void threads(void) {
    struct gctmask_model *model = open_model("cuda");
    pthread_t all[NUM_THREADS];
    void *results[NUM_THREADS];
    for (int i = 0; i < NUM_THREADS; i++)
        REQUIRE(pthread_create(&all[i], NULL, detect_in_thread, model) == 0);
    for (int i = 0; i < NUM_THREADS; i++)
        pthread_join(all[i], &results[i]);
    for (int i = 0; i < NUM_THREADS; i++) {
        expect_same(results[0], results[i]);
        if (i > 0) gctmask_free(results[i]);
    }
    gctmask_free(results[0]);
    gctmask_close(model);
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){{"same detections", same_detections}, {"threads", threads}, {0}});
}
