// What `gctmask train` takes on the command line.
#pragma once

#include "base/option.h"

struct train_options {
    const char *config;
    struct option_texts overrides;
    const char *init;
    const char *annotations, *image_folder;
    const char *val_annotations, *val_image_folder;
    const char *out;
    bool resume;
    int64_t batch; // 0: the configuration's
    int64_t seed;
    int64_t procs;
    int64_t loader_threads;
    int64_t log_every, save_every, eval_every;
    int64_t keep, keep_every;
    int64_t patience;
    double max_hours;
    bool dry_run;
};

extern const struct option TRAIN_OPTIONS[];
