// What is about to be trained, in a few lines: the data, the model, the schedule, every option that
// is not as by default and where it comes from.
#pragma once

#include "tools/train_options.h"
#include "tools/train_report.h"
#include "train/dataset.h"
#include "train/memory.h"

struct train_plan {
    const struct train_options *options;
    const struct detector_model *model;
    const struct dataset *train, *val; // val may be NULL
    int procs, threads;
    int64_t configured_batch; // before --batch
    struct training_memory memory;
    const char *device_library; // that sums gradients over the processes; NULL: none does
    struct error why_by_mpi; // they are not summed there; code is STATUS_OK if that was not to be
};

void train_banner(struct train_report *report, const struct train_plan *plan);
