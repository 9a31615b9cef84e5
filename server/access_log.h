// One JSON line for each request: who asked for what, what it got and where the time went. Never
// pictures or tokens.
#pragma once

#include <pthread.h>

#include "base/option.h"
#include "server/dialect.h"

struct access_log {
    pthread_mutex_t mutex;
    const char *path; // NULL: no log
    int descriptor;
};

// What a line says. Texts may hold anything.
struct access_entry {
    const char *id;
    const char *remote;
    const char *method;
    const char *path; // without the query
    int status;
    const char *code; // of the fault; "" for none
    int64_t bytes_in, bytes_out;
    int64_t pixels, detections;
    const struct option_texts *devices;
    uint64_t computed_by; // bit N: device N
    double seconds;
    const double *phases; // [NUM_PHASES]; NULL: nothing was detected
};

// path: a file, "-" for standard output, NULL for no log.
MUST_CHECK enum status access_log_open(struct access_log *log, const char *path, struct error *err);
void access_log_close(struct access_log *log);

// Opens the file again, whose old one may have been renamed; if that fails the old one goes on.
MUST_CHECK enum status access_log_reopen(struct access_log *log, struct error *err);

void access_log_write(struct access_log *log, const struct access_entry *entry);
