// What a person sees of `gctmask train`: a line for each record, on standard output and in the
// run's log.txt, and on a terminal a last line that moves.
#pragma once

#include "base/output.h"
#include "train/trainer.h"

struct train_report {
    struct output *out;
    const struct log *log;
    struct append_file file; // log.txt
    bool has_file;
    bool is_terminal; // standard error, where the moving line is
    bool line_is_open;
    int64_t steps;            // of the run
    double seconds;           // of a step, lately
    double last_drawn;        // when the moving line was drawn
    struct metrics_eval eval; // the last one
    bool has_eval;
};

// folder: of the run.
MUST_CHECK enum status train_report_open(struct train_report *report, struct output *out,
                                         const struct log *log, const char *folder, int64_t steps,
                                         struct error *err);
void train_report_close(struct train_report *report); // a zeroed struct is fine

// One line.
void train_report_line(struct train_report *report, const char *format, ...) PRINTF_LIKE(2, 3);

// A hook of the trainer; context is a struct train_report.
void train_report_trainer(void *context, const struct trainer_report *what);

// "box AP 0.512" and "mask AP 0.478" of the last evaluation, each on a line.
void train_report_scores(struct train_report *report);
