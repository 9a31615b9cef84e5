// What `gctmask train` takes on the command line.
#pragma once

#include "base/option.h"
#include "nn/nn.h"
#include "train/initialise.h"

struct train_options {
    const char *config;
    struct option_texts overrides;
    const char *init;
    enum init_classes init_classes;
    enum init_parts init_parts;
    const char *annotations, *image_folder;
    const char *val_annotations, *val_image_folder;
    const char *out;
    bool resume;
    int64_t batch; // 0: the configuration's
    int64_t seed;
    int64_t procs;
    const char *device;
    bool tune;
    enum nn_precision precision;
    int64_t loader_threads;
    int64_t log_every, save_every, eval_every;
    int64_t keep, keep_every;
    int64_t patience;
    double max_hours;
    const char *on_nan;
    bool dry_run;
};

extern const struct option TRAIN_OPTIONS[];

// What --on-nan says: how many steps in a row may be left out.
MUST_CHECK enum status train_options_max_drops(const struct train_options *options,
                                               int64_t *max_drops, struct error *err);
