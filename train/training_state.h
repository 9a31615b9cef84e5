// Where a training stands: together with parameters and momentum, all that the next step follows
// from. As JSON:
//
//     {"v": 1, "step": 1200, "seed": 1, "batch": 16, "group": 2, "best_score": 0.371,
//      "best_step": 1000, "evals_since_best": 1, "eval_is_pending": 0, "dropped": 0,
//      "dropped_in_a_row": 0, "sums": {"steps": 5, "rpn_class": ..},
//      "loss_scale": {"factor": 65536, "steps": 120}}
#pragma once

#include "train/loss_scale.h"
#include "train/metrics.h"

struct training_state {
    int64_t step; // finished steps
    int64_t seed;
    int64_t batch, group;
    double best_score; // of all evaluations so far; NaN before the first
    int64_t best_step; // whose score that is
    int64_t evals_since_best;
    int64_t eval_is_pending;      // 1 if this step is to be evaluated and is not yet
    int64_t dropped;              // steps that were left out, since their numbers were not finite
    int64_t dropped_in_a_row;     // up to the last step
    struct metrics_sums sums;     // since the last line of metrics
    struct loss_scale loss_scale; // of a training in float16; elsewhere zeros, and not in the file
};

// At step 0, before the first evaluation.
struct training_state training_state_start(int64_t seed, int64_t batch, int64_t group);

MUST_CHECK enum status training_state_save(const struct training_state *state, const char *path,
                                           struct error *err);

// Reads back every number exactly. A key that is missing is an error, but for the loss scale's.
MUST_CHECK enum status training_state_load(struct training_state *state, const char *path,
                                           struct error *err);
