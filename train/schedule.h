// How long training takes and how fast it learns: the step schedule with warm-up of Detectron and
// maskrcnn-benchmark (utils/lr_policy.py, solver/lr_scheduler.py).
#pragma once

#include "base/arena.h"
#include "detector/config.h"

// The learning rate of a step, counted from 0:
//     solver.learning_rate drop_factor^(drops that are not after the step) warmth
// where warmth rises from warmup_factor at step 0 to 1 at step warmup, in a straight line.
double schedule_learning_rate(const struct model_config *config, int64_t step);

// The linear rule (Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.1): a batch of
// another size takes a learning rate in proportion, and as many steps as show the same number of
// images; the warm-up keeps its steps. The largest group that divides the batch and is not larger
// than before is kept. The new drops are in arena. So large a batch that drops fall on one step is
// STATUS_USAGE, and config is as before.
MUST_CHECK enum status schedule_rescale(struct model_config *config, int64_t batch,
                                        struct arena *arena, struct error *err);
