// The work of an annotation run: pictures are loaded, searched, and their files written by threads
// that go on at the same time, so that the detector waits for nobody.
//
//     loaders  ->  the caller's thread, which detects  ->  writers
//
// Where a service detects, loaders have it look at what they loaded, so that it has several
// pictures to work on at any time.
//
// Jobs circulate between them, a fixed number, each with the memory of one picture: memory does not
// grow with the number of pictures.
#pragma once

#include "tools/annotate_filter.h"
#include "tools/annotate_journal.h"
#include "tools/annotate_record.h"
#include "tools/annotate_remote.h"
#include "tools/annotate_tiles.h"
#include "tools/progress.h"

enum plan_step {
    PLAN_NOTHING, // done in an earlier run
    PLAN_FILES,   // detected in an earlier run; files are to be written
    PLAN_DETECT,
};

struct pipeline_options {
    const struct input_files *files;
    const uint8_t *plan;              // [number of files], enum plan_step
    const struct journal_line *lines; // of files with PLAN_FILES
    int rank, size;                   // this process takes each size-th of what is to be done
    struct detector *detector;        // of a local model
    struct remote *remote;            // a service in its place; NULL: none
    const struct detection_filter *filter;
    struct tiling tiling;
    bool apply_exif;
    const struct record_origin *origin;
    const struct class_list *classes;
    const struct annotate_output_options *outputs;
    int64_t max_failures; // stop after more; negative: never
    struct journal_writer *journal;
    struct progress *progress;
    const struct log *log;
    bool (*is_interrupted)(void);
    void (*tick)(void *context); // after each picture
    void *tick_context;
};

struct pipeline_result {
    int64_t num_done; // failed ones included
    int64_t num_failed;
    int64_t num_objects;
    bool interrupted;
    bool too_many_failures;
    double detect_seconds; // that the detector took, or in which a service was asked
};

// A picture that cannot be used is recorded; only an output that cannot be written is an error.
MUST_CHECK enum status pipeline_run(const struct pipeline_options *options,
                                    struct pipeline_result *result, struct error *err);

// How an image may be: larger where it is looked at in tiles.
struct image_limits pipeline_image_limits(const struct tiling *tiling);

// Detections as objects in arena.
MUST_CHECK enum status detections_to_objects(struct annotated_image *image,
                                             const struct detection_list *list, struct arena *arena,
                                             struct error *err);
