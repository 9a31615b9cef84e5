// The evaluation during `gctmask train`: the model over the validation images, scored as
// `gctmask eval` scores it.
#pragma once

#include "tools/detect_set.h"
#include "train/metrics.h"

struct train_evaluate {
    struct detect_set detection; // truth, classes, folder, where to keep the results
    int num_threads;             // for scoring
    const struct log *log;
};

// A hook of the trainer (train/trainer.h); context is a struct train_evaluate.
enum status train_evaluate(void *context, struct metrics_eval *scores, struct error *err);
