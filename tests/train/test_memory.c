// The memory that training_memory_count foretells beside what a few steps then take.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/sanitized.h"
#include "tests/train/check_trainer.h"
#include "train/memory.h"
#include "train/step.h"

// What is foretold may be off by so much.
static const double STEP_SHARE = 0.15;
static const double TOTAL_SHARE = 0.2;

static void compare(const char *what, int64_t foretold, int64_t measured, double share) {
    double ratio = (double)foretold / (double)measured;
    printf("         %s: %lld KiB foretold, %lld taken, %.2f\n", what, (long long)foretold >> 10,
           (long long)measured >> 10, ratio);
    EXPECT_NEAR(ratio, 1, share);
}

static void train(struct tiny_training *tiny, struct loader *loader) {
    enum { STEPS = 8 };
    struct solver solver;
    struct error err;
    REQUIRE(solver_init(&solver, &tiny->detector.model, &err) == STATUS_OK);
    const struct stepper stepper = {
        .nn = tiny->detector.nn,
        .model = &tiny->detector.model,
        .solver = &solver,
        .loader = loader,
        .communicator = tiny->communicator,
        .seed = 5,
    };
    for (int64_t step = 0; step < STEPS; step++) {
        struct step_result result;
        EXPECT_OK(step_run(&stepper, step, &result, &err), &err);
    }
}

static void check(const char *const *settings) {
    struct tiny_training tiny;
    struct training_memory memory;
    struct loader *loader = NULL;
    struct error err;
    tiny_training_create(&tiny, tiny_annotations("train"), settings);
    const struct loader_options options = {
        .dataset = &tiny.dataset,
        .model = &tiny.detector.model.network,
        .image_folder = tiny_image_folder(),
        .seed = 5,
        .augments = true,
        .stride = 1,
        .num_threads = 2,
        .num_groups = 4,
    };
    EXPECT_OK(training_memory_count(&memory, &tiny.detector.model, &options, NN_FLOAT32, &err),
              &err);
    if (SANITIZED) {
        tiny_training_destroy(&tiny);
        skip_case("memory is another under sanitizers");
    }
    EXPECT_OK(loader_create(&loader, &options, &err), &err);
    REQUIRE(loader);
    train(&tiny, loader);
    const struct parameters *p = &tiny.detector.model.network.parameters;
    int64_t momentum = p->num_trainable_floats * 4;
    int64_t step = tiny.detector.nn->heap.peak_bytes;
    int64_t kept = tiny.detector.nn->model.reserved_bytes; // by kernels: little
    compare("step", memory.step, step, STEP_SHARE);
    compare("what is to come", memory.total - memory.held,
            momentum + step + kept + loader_memory_bytes(loader), TOTAL_SHARE);
    EXPECT_INT(memory.total - memory.held, momentum + memory.step + memory.loader);
    EXPECT_INT(memory.parameters, p->num_floats * 4 + 2 * momentum);
    EXPECT(memory.held > memory.parameters - momentum);
    loader_destroy(loader);
    tiny_training_destroy(&tiny);
}

// Large enough that blocks of memory which are rounded up count little.
#define LARGER                                                                                     \
    "input.short_side=192", "input.long_side=256", "backbone.width=32", "backbone.group_width=32", \
        "fpn.channels=64", "mask.conv_channels=64", "box.hidden=256"

static void gated(void) {
    check((const char *const[]){LARGER, NULL});
}

static void frozen_norm(void) {
    check((const char *const[]){LARGER, "backbone.norm=frozen_bn", "backbone.freeze_at=2",
                                "conventions=torchvision", NULL});
}

static void convolutional_heads(void) {
    check((const char *const[]){LARGER, "box.convs=4", "box.conv_channels=64", "box.linears=1",
                                "box.norm=gn", "box.gct=true", "mask.norm=gn", "mask.convs=4",
                                "schedule.group=4", NULL});
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"gated", gated},
                         {"frozen_norm", frozen_norm},
                         {"convolutional_heads", convolutional_heads},
                         {0},
                     });
}
