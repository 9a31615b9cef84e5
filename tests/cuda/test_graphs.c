// Work that comes again is launched as CUDA graphs, and computes the same bits as one by one.
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "detector/losses.h"
#include "nn/sigmoid/sigmoid.h"
#include "tests/context.h"
#include "tests/detector/check_model.h"
#include "tests/gpu.h"
#include "tests/harness.h"

static struct nn *open_device(bool no_graphs) {
    const struct nn_options options = {
        .device = NN_CUDA,
        .memory_bytes = (int64_t)1 << 30,
        .direct_convolution = true,
        .no_graphs = no_graphs,
        .cuda_module = tested_cuda_module(CUDA_MODULE),
    };
    return tested_context(&options);
}

// How often something has happened so far; see tests/cuda/emulator/stream.h. 0 on a GPU.
static int64_t count_of(const char *name) {
    int64_t (*emulator_count)(const char *) = NULL;
    void *module = dlopen(tested_cuda_module(CUDA_MODULE), RTLD_NOW);
    REQUIRE(module);
    void *symbol = dlsym(module, "emulator_count");
    if (!symbol) return 0;
    memcpy(&emulator_count, &symbol, sizeof symbol);
    return emulator_count(name);
}

struct counts {
    int64_t launches; // one by one, or to be captured
    int64_t graphs;
};

static struct counts counts_since(struct counts before) {
    return (struct counts){count_of("launches") - before.launches,
                           count_of("graphs") - before.graphs};
}

// ---- Detection ----

enum { NUM_SIZES = 2, NUM_TURNS = 8 };

struct detector {
    struct small_model small;
    struct nn *nn;
    struct image images[NUM_SIZES];
};

static void open_detector(struct detector *d, bool no_graphs) {
    const char *const settings[] = {"backbone.norm", "frozen_bn", "backbone.attention", "gct",
                                    NULL};
    struct error err;
    small_model_build(&d->small, settings, 5);
    small_model_open_gates(&d->small, 7);
    d->nn = open_device(no_graphs);
    EXPECT_OK(parameters_move(&d->small.model.parameters, d->nn, &err), &err);
    d->images[0] = noise_image(120, 90, 3, &d->small.arena);
    d->images[1] = noise_image(90, 120, 4, &d->small.arena);
}

static struct detection_list detect(struct detector *d, int image) {
    struct detection_list list;
    struct error err;
    EXPECT_OK(
        detect_images(d->nn, &d->small.model, &d->images[image], 1, &d->small.arena, &list, &err),
        &err);
    return list;
}

static void close_detector(struct detector *d) {
    nn_destroy(d->nn);
    small_model_destroy(&d->small);
}

// Images of two sizes, one after the other. Returns what happened in each turn.
static void expect_same_detections(struct counts counts[NUM_TURNS][NUM_SIZES]) {
    static struct detector plain;
    static struct detector graphs;
    struct detection_list expected[NUM_SIZES];
    open_detector(&plain, true);
    open_detector(&graphs, false);
    for (int i = 0; i < NUM_SIZES; i++)
        expected[i] = detect(&plain, i);
    EXPECT(expected[0].count > 5 && expected[1].count > 5);
    for (int turn = 0; turn < NUM_TURNS; turn++) {
        for (int i = 0; i < NUM_SIZES; i++) {
            struct counts before = counts_since((struct counts){0});
            struct detection_list list = detect(&graphs, i);
            counts[turn][i] = counts_since(before);
            EXPECT(same_detections(&list, &expected[i]));
        }
    }
    close_detector(&plain);
    close_detector(&graphs);
}

static void detections_stay(void) {
    struct counts counts[NUM_TURNS][NUM_SIZES];
    expect_same_detections(counts);
    if (counts[0][0].launches == 0) return; // nobody counts
    for (int i = 0; i < NUM_SIZES; i++) {
        EXPECT_INT(counts[0][i].graphs, 0);
        EXPECT(counts[NUM_TURNS - 1][i].graphs > 5);
        EXPECT(counts[NUM_TURNS - 1][i].launches * 5 < counts[0][i].launches);
    }
}

static void refused_captures(void) {
    struct counts counts[NUM_TURNS][NUM_SIZES];
    setenv("CUDA_EMULATOR_CAPTURE", "refused", 1);
    expect_same_detections(counts);
    unsetenv("CUDA_EMULATOR_CAPTURE");
    if (counts[0][0].launches == 0) return;
    EXPECT_INT(counts[NUM_TURNS - 1][0].graphs, 0);
    // Nothing is tried again.
    EXPECT_INT(counts[NUM_TURNS - 1][0].launches, counts[NUM_TURNS - 2][0].launches);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"detections_stay", detections_stay},
                                          {"refused_captures", refused_captures},
                                          {0}});
}
