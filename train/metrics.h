// What a run measured, line by line: RUN/metrics.jsonl, which follows from configuration, data and
// seed alone, and RUN/timing.jsonl, which does not. A run that is killed and resumed leaves the
// same bytes in metrics.jsonl as one that is not:
//
//     TRY(metrics_file_open(&file, path, step_of_the_checkpoint, err));
//     ... training goes on from that step ...
//     TRY(metrics_write_train(&file, &line, err));
//     TRY(metrics_file_sync(&file, err)); // before each checkpoint
//
// A line is a JSON object. Its first key is "v", the version 1, and its second "kind":
//
//     {"v":1,"kind":"train","step":1200,"loss":1.4321,"rpn_class":..,"rpn_box":..,"class":..,
//      "box":..,"mask":..,"gradient_norm":4.21,"learning_rate":0.0198}
//     {"v":1,"kind":"eval","step":5000,"box_ap":..,"box_ap50":..,"box_ap75":..,"mask_ap":..,
//      "mask_ap50":..,"mask_ap75":..,"loss":..}
//     {"v":1,"kind":"timing","step":1200,"seconds":0.412,"data_seconds":0.011,
//      "images_per_second":38.8,"memory_bytes":6549825126}
//
// "step" counts finished steps. null stands for a number that is not defined.
#pragma once

#include <stdint.h>

#include "detector/losses.h"
#include "train/append_file.h"

// Means over the steps since the line before.
struct metrics_train {
    int64_t step;
    double loss, rpn_class, rpn_box, classes, box, mask;
    double gradient_norm; // before clipping
    double learning_rate; // of the last step
};

// Average precisions from 0 to 1; NaN where undefined.
struct metrics_eval {
    int64_t step;
    double box_ap, box_ap50, box_ap75;
    double mask_ap, mask_ap50, mask_ap75;
    double loss; // on the validation set; NaN if it was not computed
};

// Means over the steps since the line before.
struct metrics_timing {
    int64_t step;
    double seconds;      // of a step
    double data_seconds; // of these, waiting for images
    double images_per_second;
    double memory_bytes; // peak of the process, or of its accelerator
};

// ---- Collecting ----

// Sums over the steps since the last line. Part of a checkpoint, since the next line may come after
// it.
struct metrics_sums {
    int64_t steps;
    double rpn_class, rpn_box, classes, box, mask;
    double gradient_norm;
};

void metrics_add(struct metrics_sums *sums, const struct losses *losses, double gradient_norm);

// The line about these steps; without any, its means are NaN. The caller zeroes the sums.
struct metrics_train metrics_mean(const struct metrics_sums *sums, int64_t step,
                                  double learning_rate);

// ---- Writing ----

struct metrics_file {
    struct append_file file;
};

// Opens the file at path and cuts off what is behind the last line of last_step, and a last line
// that was not written to its end. With last_step -1, nothing is kept. A line in the middle that is
// none of ours is an error that names it.
MUST_CHECK enum status metrics_file_open(struct metrics_file *file, const char *path,
                                         int64_t last_step, struct error *err);

// Each goes out in one write. A line that fails is not there at all.
MUST_CHECK enum status metrics_write_train(struct metrics_file *file,
                                           const struct metrics_train *line, struct error *err);
MUST_CHECK enum status metrics_write_eval(struct metrics_file *file,
                                          const struct metrics_eval *line, struct error *err);
MUST_CHECK enum status metrics_write_timing(struct metrics_file *file,
                                            const struct metrics_timing *line, struct error *err);

MUST_CHECK enum status metrics_file_sync(struct metrics_file *file, struct error *err);
void metrics_file_close(struct metrics_file *file); // a zeroed struct is fine

// ---- Reading ----

// The lines of a file in their order, by kind.
struct metrics {
    struct metrics_train *train;
    struct metrics_eval *evals;
    struct metrics_timing *timings;
    int64_t num_train, num_evals, num_timings;
    int64_t train_capacity, eval_capacity, timing_capacity;
};

// Reads metrics.jsonl or timing.jsonl, also while a run writes it: a last line without its end is
// left out. Unknown kinds and keys are skipped; another version is STATUS_UNSUPPORTED.
MUST_CHECK enum status metrics_read(struct metrics *metrics, const char *path, struct error *err);
void metrics_free(struct metrics *metrics); // a zeroed struct is fine
