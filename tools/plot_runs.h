// The runs that are plotted together: their measured lines as series, and names for the legend.
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/log.h"
#include "tools/series.h"
#include "train/metrics.h"

struct plotted_run {
    const char *name;
    struct metrics metrics;
};

struct plotted_runs {
    struct plotted_run *runs;
    int count;
    struct range steps; // of all lines of all runs
};

// Reads metrics.jsonl of each folder. Runs that have not recorded anything yet are left out, with a
// warning. A run's name is that of its folder, or all of what was typed if two folders have the
// same. Names are in arena.
MUST_CHECK enum status plotted_runs_read(struct plotted_runs *runs, const char *const *folders,
                                         int num_folders, struct log *log, struct arena *arena,
                                         struct error *err);
void plotted_runs_free(struct plotted_runs *runs); // a zeroed struct is fine

// A number of each training line or of each evaluation, by the offset of a double in struct
// metrics_train or struct metrics_eval, times factor. The series is in arena.
MUST_CHECK enum status plotted_run_training(const struct plotted_run *run, size_t offset,
                                            struct series *series, struct arena *arena,
                                            struct error *err);
MUST_CHECK enum status plotted_run_evaluations(const struct plotted_run *run, size_t offset,
                                               double factor, struct series *series,
                                               struct arena *arena, struct error *err);
