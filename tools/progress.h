// How far a command has come, on standard error: a line that is written over on a terminal, a new
// line every ten seconds elsewhere, nothing if nobody wants to know.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

struct progress {
    int descriptor;
    bool enabled;
    bool is_terminal;
    bool line_is_open; // a line of progress stands at the cursor
    int64_t total;     // images
    int64_t num_done;  // failed ones included
    int64_t num_failed;
    int64_t num_objects;
    double start, last; // seconds: of the first image, of the last line
};

double seconds_now(void); // monotonic

void progress_start(struct progress *progress, const struct log *log, int64_t total);

// An image was done, with so many objects, or failed.
void progress_done(struct progress *progress, int64_t num_objects);
void progress_failed(struct progress *progress);

// Clears the line, so that something else can be written there.
void progress_clear(struct progress *progress);
