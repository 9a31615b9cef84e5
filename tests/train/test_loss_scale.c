// The loss scale: how it adapts, that it changes nothing in what is learnt, that a step which
// overflows leaves no trace, and that what it cannot mend is told.
#include "train/loss_scale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/train/check_trainer.h"
#include "train/step.h"
#include "train/training_state.h"

// ---- By itself ----

static void precisions(void) {
    const struct loss_scale none = loss_scale_start(NN_BF16);
    const struct loss_scale half = loss_scale_start(NN_FP16);
    EXPECT(none.factor == 0 && loss_scale_factor(&none) == 1);
    EXPECT(half.factor == 65536 && loss_scale_factor(&half) == 65536);
}

static void adapts(void) {
    struct loss_scale scale = {64, 7};
    EXPECT(loss_scale_adapt(&scale, false));
    EXPECT(scale.factor == 32 && scale.num_steps == 0);
    for (int step = 0; step < 1999; step++)
        EXPECT(!loss_scale_adapt(&scale, true));
    EXPECT(scale.factor == 32 && scale.num_steps == 1999);
    EXPECT(!loss_scale_adapt(&scale, true));
    EXPECT(scale.factor == 64 && scale.num_steps == 0);
}

static void ends(void) {
    struct loss_scale none = {0};
    struct loss_scale small = {2, 0};
    struct loss_scale large = {16777216, 1999};
    EXPECT(!loss_scale_adapt(&none, false) && !loss_scale_adapt(&none, true) && none.factor == 0);
    EXPECT(loss_scale_adapt(&small, false) && small.factor == 1);
    EXPECT(!loss_scale_adapt(&small, false) && small.factor == 1);
    EXPECT(!loss_scale_adapt(&large, true) && large.factor == 16777216);
}

static void is_saved(void) {
    char path[512];
    struct error err;
    struct training_state loaded;
    struct training_state state = training_state_start(1, 16, 2);
    snprintf(path, sizeof path, "%s/state.json", scratch_folder());
    EXPECT_OK(training_state_save(&state, path, &err), &err);
    EXPECT_OK(training_state_load(&loaded, path, &err), &err);
    EXPECT(loaded.loss_scale.factor == 0);
    state.loss_scale = (struct loss_scale){4096, 321};
    EXPECT_OK(training_state_save(&state, path, &err), &err);
    EXPECT_OK(training_state_load(&loaded, path, &err), &err);
    EXPECT(loaded.loss_scale.factor == 4096 && loaded.loss_scale.num_steps == 321);
}

// ---- In training steps ----

struct training {
    struct tiny_training tiny;
    struct solver solver;
    struct stepper stepper;
    struct loss_scale scale;
};

static struct training training;
static struct error err;

static struct parameters *parameters(void) {
    return &training.tiny.detector.model.network.parameters;
}

static void begin(double factor) {
    struct training *t = &training;
    *t = (struct training){.scale = {factor, 0}};
    tiny_training_create(&t->tiny, tiny_annotations("train"), (const char *const[]){NULL});
    REQUIRE(solver_init(&t->solver, &t->tiny.detector.model, &err) == STATUS_OK);
    const struct loader_options options = {
        .dataset = &t->tiny.dataset,
        .model = &t->tiny.detector.model.network,
        .image_folder = tiny_image_folder(),
        .seed = 5,
        .augments = true,
        .stride = 1,
        .num_groups = 1,
    };
    t->stepper = (struct stepper){
        .nn = t->tiny.detector.nn,
        .model = &t->tiny.detector.model,
        .solver = &t->solver,
        .communicator = t->tiny.communicator,
        .seed = 5,
        .loss_scale = &t->scale,
    };
    REQUIRE(loader_create(&t->stepper.loader, &options, &err) == STATUS_OK);
}

static void end(void) {
    loader_destroy(training.stepper.loader);
    tiny_training_destroy(&training.tiny);
}

static struct step_result run_step(int64_t step) {
    struct step_result result;
    enum status status = step_run(&training.stepper, step, &result, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    return result;
}

static float *copy_of(const float *values, int64_t count) {
    size_t bytes = (size_t)count * sizeof *values;
    float *copy = malloc(bytes);
    REQUIRE(copy != NULL);
    memcpy(copy, values, bytes);
    return copy;
}

// A power of two rounds nothing.
static void changes_nothing(void) {
    enum { STEPS = 2 };
    struct step_result results[2][STEPS];
    float *learnt[2];
    for (int i = 0; i < 2; i++) {
        begin(i == 0 ? 0 : 1024);
        for (int step = 0; step < STEPS; step++)
            results[i][step] = run_step(step);
        EXPECT(training.scale.num_steps == (i == 0 ? 0 : STEPS));
        learnt[i] = copy_of(parameters()->data, parameters()->num_trainable_floats);
        if (i == 1)
            EXPECT(equal_bits(learnt[0], learnt[1],
                              (size_t)parameters()->num_trainable_floats * sizeof(float)));
        end();
    }
    for (int step = 0; step < STEPS; step++) {
        EXPECT_NEAR(results[1][step].losses.mask, results[0][step].losses.mask, 0);
        EXPECT_NEAR(results[1][step].gradient_norm, results[0][step].gradient_norm, 0);
        EXPECT(results[1][step].gradient_norm > 0);
    }
    free(learnt[0]);
    free(learnt[1]);
}

static bool all_zeros(const float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (values[i] != 0) return false;
    return true;
}

// Gradients accumulate, so one that is infinite beforehand stays so.
static void overflow_leaves_no_trace(void) {
    begin(4096);
    int64_t count = parameters()->num_trainable_floats;
    float *before = copy_of(parameters()->data, count);
    parameters()->grad[0] = INFINITY;
    struct step_result result = run_step(0);
    EXPECT(result.overflowed && !result.dropped);
    EXPECT(isfinite(losses_total(&result.losses)) && losses_total(&result.losses) > 0);
    EXPECT(training.scale.factor == 2048 && training.scale.num_steps == 0);
    EXPECT(equal_bits(before, parameters()->data, (size_t)count * sizeof *before));
    EXPECT(all_zeros(parameters()->grad, count) && all_zeros(training.solver.velocity, count));
    result = run_step(1);
    EXPECT(!result.overflowed && isfinite(result.gradient_norm));
    EXPECT(!equal_bits(before, parameters()->data, (size_t)count * sizeof *before));
    free(before);
    end();
}

// A gradient that is no number whatever the scale is: once it is exhausted, that is an error.
static void exhausted(void) {
    struct step_result result;
    begin(2);
    struct parameter *p = parameters_find(parameters(), "rpn.head.cls_logits.weight");
    REQUIRE(p && p->grad);
    p->grad[0] = NAN;
    EXPECT(run_step(0).overflowed);
    EXPECT(training.scale.factor == 1);
    p->grad[0] = NAN;
    EXPECT_STATUS(step_run(&training.stepper, 1, &result, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message,
                    "step 2: the gradient of rpn.head.cls_logits.weight is not finite");
    end();
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"precisions", precisions},
                                          {"adapts", adapts},
                                          {"ends", ends},
                                          {"is_saved", is_saved},
                                          {"changes_nothing", changes_nothing},
                                          {"overflow_leaves_no_trace", overflow_leaves_no_trace},
                                          {"exhausted", exhausted},
                                          {0}});
}
