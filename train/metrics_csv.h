// RUN/metrics.csv: the lines of RUN/metrics.jsonl as rows of a table, for spreadsheets.
//
//     kind,step,loss,rpn_class,...,learning_rate,box_ap,...,mask_ap75
//     train,1200,1.4321,...,0.0198,,,,,,
//     eval,5000,1.5,,,,,,,0.371,...
//
// A number that is not defined, or that the kind does not have, is an empty cell. The loss of an
// evaluation is that on the validation set.
#pragma once

#include "train/metrics.h"

// Writes the file anew with the rows of lines, which are those that metrics.jsonl still has, and
// opens it for more.
MUST_CHECK enum status metrics_csv_open(struct append_file *file, const char *path,
                                        const struct metrics *lines, struct error *err);

MUST_CHECK enum status metrics_csv_write_train(struct append_file *file,
                                               const struct metrics_train *line, struct error *err);
MUST_CHECK enum status metrics_csv_write_eval(struct append_file *file,
                                              const struct metrics_eval *line, struct error *err);
