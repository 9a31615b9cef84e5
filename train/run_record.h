// What is known of a run: run.json in its folder (train/run_folder.h).
//
//     {"v": 1, "state": "running", "message": null, "pid": 4711, "host": "node7",
//      "version": "0.3.0", "command": ["gctmask", "train", ..],
//      "started": "2026-03-01T09:00:00Z", "resumed": null, "ended": null,
//      "step": 1200, "steps": 90000}
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/option.h"

enum run_state {
    RUN_RUNNING,
    RUN_FINISHED,
    RUN_INTERRUPTED, // by a signal
    RUN_FAILED,      // the message says of what
    RUN_KILLED,      // run.json says running, but no process does; never in a file
};

const char *run_state_name(enum run_state state); // "running" and so on

struct run_record {
    enum run_state state;
    const char *message; // NULL: none
    int64_t pid;
    const char *host, *version;
    struct option_texts command;
    const char *started, *resumed, *ended; // in UTC; NULL: not so far
    int64_t step, steps;                   // finished ones, and all of the run
};

// Writes the file at path; readers see the old one or the whole new one.
MUST_CHECK enum status run_record_save(const struct run_record *record, const char *path,
                                       struct error *err);

// Texts are in arena.
MUST_CHECK enum status run_record_load(struct run_record *record, const char *path,
                                       struct arena *arena, struct error *err);
