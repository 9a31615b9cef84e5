// A small training whose every number follows from its step, for tests of checkpoints.
#pragma once

#include "train/checkpoint.h"

struct small_training {
    struct detector_model model;
    float *velocity;
    struct training_state state;
    struct training training; // of the three
};

// overrides stand above the options that make configs/demo.json small; NULL: none.
void small_training_create(struct small_training *small, const struct option_texts *overrides);
void small_training_destroy(struct small_training *small);

// Sets all parameters, the momentum and the state to those of a step. They are finite, and some are
// negative zeros, denormals or extreme.
void small_training_set(struct small_training *small, int64_t step);

// Whether all bits are those of the step.
bool small_training_is(const struct small_training *small, int64_t step);

// Whether the checkpoint of a step loads and holds what small_training_set gives for it.
bool checkpoint_holds(const char *folder, int64_t step);

// How many names in a folder begin with start.
int count_names(const char *folder, const char *start);
