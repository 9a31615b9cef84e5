// How far a command has come, on standard error: a line that is written over on a terminal, a new
// line every ten seconds elsewhere, nothing if nobody wants to know. Or for programs, a JSON event
// on a line of its own, every second:
//
//     {"v": 1, "event": "progress", "done": 2310, "total": 5000, "img_s": 2.1, "failed": 3,
//      "objects": 14022, "eta_s": 1280, "rss": 640679936}
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/output.h"

struct progress {
    int descriptor;
    bool enabled;
    bool is_terminal;
    bool line_is_open;             // a line of progress stands at the cursor
    int64_t total;                 // images
    int64_t num_done;              // failed ones included
    _Atomic int64_t num_elsewhere; // by other processes, whose failures and objects are not known
    int64_t num_failed;
    int64_t num_objects;
    double start, last;    // seconds: of the first image, of the last line
    struct output *events; // where JSON events go, instead of lines for people; NULL: nowhere
};

double seconds_now(void); // monotonic

void progress_start(struct progress *progress, const struct log *log, int64_t total);

// An image was done, with so many objects, or failed.
void progress_done(struct progress *progress, int64_t num_objects);
void progress_failed(struct progress *progress);

// Events go to out from now on.
void progress_use_events(struct progress *progress, struct output *out);

// An event of its own, if events are wanted: {"v": 1, "event": "image_failed", "path": ..,
// "code": .., "message": ..}.
void progress_event_failed(struct progress *progress, const char *path, const char *code,
                           const char *message);

// Clears the line, so that something else can be written there.
void progress_clear(struct progress *progress);
