// What the files of metrics have in common.
#pragma once

#include "train/fields.h"
#include "train/metrics.h"

// Names and places of the numbers of each kind of line, "step" first.
extern const struct field METRICS_TRAIN_FIELDS[];
extern const struct field METRICS_EVAL_FIELDS[];

#define METRICS_TRAIN "train"
#define METRICS_EVAL  "eval"
