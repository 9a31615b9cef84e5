// The folder of a run, and what becomes of it.
//
// run.json says how the run is doing (train/run_record.h). Who dies without a word leaves "running"
// there, but no longer holds the folder's lock: readers see that as killed. The lock also keeps a
// second training out. It belongs to the open file: forked processes share it, and it ends with the
// last of them.
//
//     TRY(run_folder_open(&run, &start, err));
//     TRY(run_folder_save_config(&run, &options, err));
//     ... TRY(run_folder_progress(&run, step, err)) ...
//     status = run_folder_end(&run, RUN_FINISHED, NULL, err);
#pragma once

#include <stdbool.h>

#include "train/folder.h"
#include "train/run_record.h"

// What else a run leaves in its folder.
#define RUN_CHECKPOINTS "checkpoints"   // train/checkpoint.h
#define RUN_METRICS     "metrics.jsonl" // train/metrics.h
#define RUN_TIMINGS     "timing.jsonl"
#define RUN_TABLE       "metrics.csv"  // train/metrics_csv.h
#define RUN_RESULTS     "results.json" // of the newest evaluation
#define RUN_LOG         "log.txt"
#define RUN_PLOTS       "plots"

enum { RUN_TIME_BYTES = 24 }; // "2026-03-01T09:00:00Z" and more

// ---- Writing ----

struct run_folder {
    char path[PATH_BYTES];
    int lock;
    struct run_record record;
    char host[256];
    char times[3][RUN_TIME_BYTES]; // of the record
};

// Who is about to train.
struct run_start {
    const char *path;
    bool resume;
    const char *version;
    struct option_texts command; // borrowed, as version is, until the run has ended
    int64_t steps;
};

// Makes the folder, takes its lock and writes run.json. A folder that holds a run is STATUS_USAGE
// unless it is to be resumed, and so is one without a run to resume, or one that another training
// holds. run->record.step is that of the run that is resumed.
MUST_CHECK enum status run_folder_open(struct run_folder *run, const struct run_start *start,
                                       struct error *err);

// Writes config.json: the options as they are.
MUST_CHECK enum status run_folder_save_config(const struct run_folder *run,
                                              const struct options *options, struct error *err);

// Tells readers how far the run is.
MUST_CHECK enum status run_folder_progress(struct run_folder *run, int64_t step, struct error *err);

// Says what became of the run (message may be NULL) and gives up the lock, also after an error.
MUST_CHECK enum status run_folder_end(struct run_folder *run, enum run_state state,
                                      const char *message, struct error *err);

// ---- Reading ----

// The record of the run in a folder, of another process or this one. Texts are in arena.
MUST_CHECK enum status run_folder_read(struct run_record *record, const char *path,
                                       struct arena *arena, struct error *err);
