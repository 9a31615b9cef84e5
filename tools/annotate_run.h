// An annotation run from its inputs to its outputs; tools/annotate.c is its command line.
#pragma once

#include "tools/annotate_outputs.h"
#include "tools/annotate_pipeline.h"
#include "tools/command.h"
#include "train/communicator.h"

enum exif_use { EXIF_APPLY, EXIF_IGNORE };
enum progress_style { PROGRESS_AUTO, PROGRESS_JSON, PROGRESS_NONE };

struct annotate_options {
    const char *weights; // NULL: a service in its place
    struct remote_options remote;
    struct option_texts overrides; // of a service, what it says; the next three, too
    enum nn_precision precision;
    const char *device;
    bool tune;
    bool recursive;
    struct option_texts extensions;
    enum exif_use exif;
    struct filter_options filter;
    struct tiling tiling;
    struct annotate_output_options outputs;
    bool resume;
    bool force;
    bool verify;
    bool dry_run;
    int64_t max_failures;
    int64_t procs;
    enum progress_style progress;
};

struct annotate_run {
    struct invocation *invocation;
    struct annotate_options *options;
    struct communicator *communicator;
    int lock; // rank 0: of the folder that is written to; -1: none
    struct input_files files;
    struct detector detector; // zeroed where there is a service
    struct remote *remote;
    struct remote_model remote_model;
    struct class_list classes;
    struct detection_filter filter;
    struct record_origin origin;
    struct journal journal;     // rank 0: of earlier runs
    uint8_t *plan;              // [number of files], enum plan_step
    struct journal_line *lines; // [number of files], of files with PLAN_FILES
    int64_t num_to_do;          // of all processes
    struct journal_writer writer;
    struct progress progress;
    struct pipeline_result result;     // on rank 0 of all processes together, after the work
    int64_t num_pictures, num_objects; // in the outputs, those of earlier runs included
    int64_t *counted; // [number of processes], bytes of their journals that were looked at
};

struct pipeline_options annotate_pipeline(struct annotate_run *run);

bool annotate_leads(const struct annotate_run *run); // rank 0

// Does all of it. The run, whose invocation is set, is to be closed after an error, too.
MUST_CHECK enum status annotate_run(struct annotate_run *run, struct error *err);
void annotate_run_close(struct annotate_run *run);

// ---- tools/annotate_plan.c ----

// Hashes the options and the model file.
MUST_CHECK enum status annotate_identify(struct annotate_run *run, struct error *err);

// Rank 0 looks at what earlier runs left and decides what is to be done; all learn of it.
MUST_CHECK enum status annotate_plan(struct annotate_run *run, struct error *err);

// ---- tools/annotate_finish.c ----

// Rank 0 puts the outputs together from the records of all processes.
MUST_CHECK enum status annotate_finish(struct annotate_run *run, struct annotate_outputs *outputs,
                                       struct error *err);

// ---- tools/annotate_estimate.c ----

// What would be done, and how long it would take: on standard output, and nothing is written.
MUST_CHECK enum status annotate_estimate(struct annotate_run *run, struct error *err);
