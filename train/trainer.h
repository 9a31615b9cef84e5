// The training loop: step after step, with lines of metrics, evaluations and checkpoints in
// between.
//
// All processes of a run are in it together and take the same turns; rank 0 writes. What a person
// sees of it, how the model is scored and who may interrupt is the caller's, through hooks.
//
//     TRY(trainer_open(&trainer, &options, &hooks, err));
//     TRY(trainer_load(&trainer, step, err));            // to go on from a checkpoint
//     status = trainer_run(&trainer, &end, err);
//     trainer_close(&trainer);
#pragma once

#include "detector/detector.h"
#include "train/checkpoint.h"
#include "train/event_file.h"
#include "train/run_folder.h"
#include "train/step.h"

// What happened, for people.
struct trainer_report {
    int64_t step;                      // finished ones; 0 in all but those about a step's end
    const struct metrics_train *train; // a line of metrics, with its timing
    const struct metrics_timing *timing;
    const struct metrics_eval *eval; // an evaluation
    bool is_best;                    // the best one so far
    const char *saved;               // the folder of a new checkpoint
    const char *warning;             // training goes on
};

struct trainer_hooks {
    void *context;
    // Called on rank 0, with one of the fields set.
    void (*report)(void *context, const struct trainer_report *report);
    // Whether this process is asked to end.
    bool (*is_interrupted)(void *context);
    // Scores the model on all processes together: the average precisions of *scores are set on all
    // of them. STATUS_CANCELLED, on all of them too, is an interruption: the evaluation is made
    // when the run goes on. NULL: never.
    enum status (*evaluate)(void *context, struct metrics_eval *scores, struct error *err);
};

struct trainer_options {
    struct detector *detector; // made for training
    struct communicator *communicator;
    struct run_folder *run; // on rank 0, else NULL
    const char *folder;     // of the run
    const struct dataset *dataset;
    const char *image_folder;
    const struct dataset *val; // whose loss evaluations tell; NULL: none
    const char *val_image_folder;
    uint64_t seed;
    int num_loader_threads;
    int64_t log_every, save_every, eval_every; // steps; 0: only at the end
    struct checkpoint_rules keep;
    int64_t patience;   // evaluations without a better score that end the run; 0: any number
    double max_seconds; // of training; 0: no limit
    int64_t max_drops;  // steps in a row that are left out if not finite; 0: they are an error
};

enum trainer_end {
    TRAINER_FINISHED,    // all steps are done
    TRAINER_STOPPED,     // patience is exhausted
    TRAINER_OUT_OF_TIME, // and can go on from the checkpoint, as after an interruption
    TRAINER_INTERRUPTED,
};

struct trainer {
    struct trainer_options options;
    struct trainer_hooks hooks;
    struct solver solver;
    struct loader *loader;
    struct stepper stepper;
    struct training_state state;
    char checkpoints[PATH_BYTES];
    struct metrics_file metrics, timings; // open on rank 0
    struct append_file table;             // metrics once more
    struct event_file events;
    double start;      // of this process's training
    double line_start; // of the steps since the last line
    double data_seconds;
    int64_t line_steps;
};

// All that options points to is borrowed. After an error, close it.
MUST_CHECK enum status trainer_open(struct trainer *trainer, const struct trainer_options *options,
                                    const struct trainer_hooks *hooks, struct error *err);

// Goes on from the checkpoint of a step, of this run's folder.
MUST_CHECK enum status trainer_load(struct trainer *trainer, int64_t step, struct error *err);

// Trains to the end. Whatever ends it but an error, a checkpoint of the last step is there. An
// error leaves the older checkpoints.
MUST_CHECK enum status trainer_run(struct trainer *trainer, enum trainer_end *end,
                                   struct error *err);

void trainer_close(struct trainer *trainer); // a zeroed struct is fine
