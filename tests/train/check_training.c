#include "tests/train/check_training.h"

#include <dirent.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "tests/harness.h"

enum { MAX_OVERRIDES = 16 };

static const char *const SMALL[] = {
    "backbone.width=4",     "backbone.group_width=4",  "backbone.blocks=1,1,1,1",
    "backbone.freeze_at=2", "backbone.norm=frozen_bn", "box.resolution=2",
    "box.hidden=8",         "fpn.channels=8",          "mask.conv_channels=8",
};

void small_training_create(struct small_training *small, const struct option_texts *overrides) {
    const char *items[MAX_OVERRIDES];
    int64_t count = 0;
    REQUIRE(sizeof SMALL / sizeof *SMALL + (size_t)(overrides ? overrides->count : 0) <=
            MAX_OVERRIDES);
    for (size_t i = 0; i < sizeof SMALL / sizeof *SMALL; i++)
        items[count++] = SMALL[i];
    for (int64_t i = 0; overrides && i < overrides->count; i++)
        items[count++] = overrides->items[i];
    const struct option_texts all = {items, count};
    struct error err;
    enum status status = detector_model_create(&small->model, TESTS_DIR "/../configs/demo.json",
                                               &all, true, 1, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    const struct parameters *parameters = &small->model.network.parameters;
    REQUIRE(parameters->num_trainable_floats < parameters->num_floats);
    small->velocity = calloc((size_t)parameters->num_trainable_floats, sizeof(float));
    REQUIRE(small->velocity);
    small->state = training_state_start(0, 1, 1);
    small->training = (struct training){&small->model, small->velocity, &small->state};
}

void small_training_destroy(struct small_training *small) {
    free(small->velocity);
    detector_model_destroy(&small->model);
}

static float value_at(struct random *random, const struct parameter *p) {
    static const float SPECIAL[] = {-0.0F, 0, FLT_MIN / 3, -FLT_MAX, FLT_TRUE_MIN, FLT_MAX};
    uint32_t word = random_u32(random);
    float value = (float)(int32_t)word * 0x1p-31F;
    if (word % 64 == 0) value = SPECIAL[word / 64 % 6];
    return p->kind == PARAMETER_NORM_VARIANCE ? fabsf(value) : value;
}

// The numbers that small_training_set writes, in this order.
static float *values_of(const struct small_training *small, int64_t index) {
    const struct parameters *parameters = &small->model.network.parameters;
    const struct parameter *p = parameters->items[index / 2];
    if (index % 2 == 0) return p->data;
    return p->trainable ? small->velocity + (p->grad - parameters->grad) : NULL;
}

static struct training_state state_at(int64_t step) {
    double x = 1.0 / (double)(step + 3);
    struct training_state state = {
        .step = step,
        .seed = INT64_MAX - step,
        .batch = 16,
        .group = 2,
        .best_score = step < 2 ? (double)NAN : x,
        .best_step = step < 2 ? 0 : 2,
        .evals_since_best = step % 5,
        .eval_is_pending = step % 2,
        .dropped = 7 * step,
        .dropped_in_a_row = step % 4,
        .sums = {step % 3, x / 7, -x, x * 1e-300, x * 1e300, 0.1, 5e-324},
    };
    return state;
}

void small_training_set(struct small_training *small, int64_t step) {
    struct parameters *parameters = &small->model.network.parameters;
    for (int64_t i = 0; i < 2 * parameters->count; i++) {
        struct random random = random_stream((uint64_t)step, (uint64_t)i);
        float *values = values_of(small, i);
        const struct parameter *p = parameters->items[i / 2];
        for (int64_t j = 0; values && j < p->count; j++)
            values[j] = value_at(&random, p);
    }
    parameters_changed(parameters);
    small->state = state_at(step);
}

static bool is_state(const struct training_state *a, const struct training_state *b) {
    return a->step == b->step && a->seed == b->seed && a->batch == b->batch &&
           a->group == b->group && isnan(a->best_score) == isnan(b->best_score) &&
           (isnan(a->best_score) || a->best_score == b->best_score) &&
           a->best_step == b->best_step && a->evals_since_best == b->evals_since_best &&
           a->eval_is_pending == b->eval_is_pending && a->dropped == b->dropped &&
           a->dropped_in_a_row == b->dropped_in_a_row &&
           equal_bits(&a->sums, &b->sums, sizeof a->sums);
}

bool small_training_is(const struct small_training *small, int64_t step) {
    const struct parameters *parameters = &small->model.network.parameters;
    for (int64_t i = 0; i < 2 * parameters->count; i++) {
        struct random random = random_stream((uint64_t)step, (uint64_t)i);
        const float *values = values_of(small, i);
        const struct parameter *p = parameters->items[i / 2];
        for (int64_t j = 0; values && j < p->count; j++) {
            float expected = value_at(&random, p);
            if (!equal_bits(&values[j], &expected, sizeof expected)) return false;
        }
    }
    struct training_state state = state_at(step);
    return is_state(&small->state, &state);
}

bool checkpoint_holds(const char *folder, int64_t step) {
    struct small_training loaded;
    struct error err;
    small_training_create(&loaded, NULL);
    enum status status = checkpoint_load(folder, step, &loaded.training, &err);
    EXPECT_OK(status, &err);
    bool same = status == STATUS_OK && small_training_is(&loaded, step);
    small_training_destroy(&loaded);
    return same;
}

int count_names(const char *folder, const char *start) {
    DIR *stream = opendir(folder);
    CHECK(stream);
    int count = 0;
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream))
        count += strncmp(entry->d_name, start, strlen(start)) == 0;
    closedir(stream);
    return count;
}
