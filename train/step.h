// One training step: losses of this process's share of the batch, gradients, their sum over all
// processes, and the solver.
//
// The groups of a batch are computed one after another; each weighs as much as the others, and
// their gradients accumulate. So the memory is that of one group, and the result is the same for
// any number of processes, but for the order of sums.
#pragma once

#include "train/communicator.h"
#include "train/loader.h"
#include "train/loss_scale.h"
#include "train/solver.h"

struct stepper {
    struct nn *nn;
    struct detector_model *model;
    struct solver *solver;
    struct loader *loader; // of this process's groups, from the step's first one on
    struct communicator *communicator;
    uint64_t seed;
    bool drops; // a step whose numbers are not finite, which is an error otherwise
    struct loss_scale *loss_scale; // adapts after each step; NULL: losses are not scaled
};

struct step_result {
    struct losses losses; // of the whole batch
    double gradient_norm;
    double learning_rate;
    double data_seconds; // waited for images
    bool overflowed;     // the loss scale was too large: the step is left out, the scale smaller
    bool dropped;        // the losses and the norm then mean nothing
    struct error reason; // on rank 0: what was not finite, and in which images
};

double losses_total(const struct losses *losses);

// Groups of a step that all processes share.
int64_t step_num_groups(const struct model_config *config);

// The first group of a process from the given step on; the following ones are size apart.
int64_t step_first_group(const struct model_config *config, int64_t step, int rank, int size);

// Waits for a loader's next group, as long as a slow disk may take for it.
MUST_CHECK enum status step_next_group(const struct stepper *stepper, struct loader *loader,
                                       const struct group **group, struct error *err);

// Trains one step, counted from 0. A loss or gradient that is not finite changes neither parameters
// nor momentum. Where a smaller loss scale may help a gradient, all processes leave the step out.
// Otherwise it is STATUS_DATA and says where and in which images, unless such steps are
// dropped: then all processes drop it together.
MUST_CHECK enum status step_run(const struct stepper *stepper, int64_t step,
                                struct step_result *result, struct error *err);

// Adds the losses of a group, without gradients.
MUST_CHECK enum status step_evaluate(const struct stepper *stepper, const struct group *group,
                                     struct losses *sum, struct error *err);
