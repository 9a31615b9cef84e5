// All that can be known about a run from its folder, while it trains or after.
#pragma once

#include "train/metrics.h"
#include "train/run_folder.h"

// The best and the last of the evaluations that have this average precision.
struct precision_history {
    int64_t count; // of these evaluations; all else is 0 if there is none
    double best, last;
    int64_t best_step, last_step;
};

struct checkpoint_summary {
    int64_t count;
    int64_t bytes;        // of all their files
    int64_t latest, best; // steps; -1: none
};

struct run_status {
    struct run_record record;
    int64_t step;                      // finished ones
    struct metrics metrics;            // of metrics.jsonl
    const struct metrics_train *train; // the last ones; NULL: none
    const struct metrics_eval *eval;
    struct precision_history box, mask;
    // Of the last lines of timing.jsonl, NaN without any: medians, and the last of memory.
    double seconds, data_seconds, images_per_second, memory_bytes;
    double seconds_left;       // NaN unless running and the speed is known
    double seconds_since_line; // since something was last recorded; NaN if nothing was
    struct checkpoint_summary checkpoints;
};

// Texts of the record are in arena.
MUST_CHECK enum status run_status_read(struct run_status *status, const char *folder,
                                       struct arena *arena, struct error *err);
void run_status_free(struct run_status *status); // a zeroed struct is fine

// Lines for people, with the command that resumes the run if it needs that. (run_status_text.c)
void run_status_write_text(const struct run_status *status, struct output *out);

// One JSON document; null stands for what is not known. (run_status_json.c)
void run_status_write_json(const struct run_status *status, const char *folder, struct output *out);
