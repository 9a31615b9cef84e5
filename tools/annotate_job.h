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
    enum status status; // other than STATUS_OK: nothing can be detected any more; in failure why
    double detect_seconds;
    bool has_arena;
    bool is_detected; // by a service
    bool dropped;     // by an interruption
};

// Reads the file, and its old record if only files are to be written. Where there is a service, it
// detects; caller is who waits for it.
void job_load(struct annotate_job *job, const struct pipeline_options *options,
              const struct remote_caller *caller);

// Detects, unless that is done.
void job_detect(struct annotate_job *job, const struct pipeline_options *options);

// Writes the picture's files and appends its record to line. Errors are those of outputs.
MUST_CHECK enum status job_write(struct annotate_job *job, const struct pipeline_options *options,
                                 struct output *line, struct error *err);

// Gives the memory back.
void job_empty(struct annotate_job *job);
