// One picture on its way through an annotation run (tools/annotate_pipeline.h). Its three steps are
// done by three threads, one after the other.
#pragma once

#include "tools/annotate_pipeline.h"

struct annotate_job {
    int64_t index; // of the file
    struct arena arena;
    struct image image;
    struct image_info info;
    struct detection_list list;
    struct annotate_record record; // record.failed from the first failure on
    struct error failure;          // its message
    bool has_arena;
    bool dropped; // by an interruption
};

// Reads the file, and its old record if only files are to be written.
void job_load(struct annotate_job *job, const struct pipeline_options *options);

void job_detect(struct annotate_job *job, const struct pipeline_options *options);

// Writes the picture's files and appends its record to line. Errors are those of outputs.
MUST_CHECK enum status job_write(struct annotate_job *job, const struct pipeline_options *options,
                                 struct output *line, struct error *err);

// Gives the memory back.
void job_empty(struct annotate_job *job);
