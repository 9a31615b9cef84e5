// Who may come in. Work is bounded in count, in bytes of pixels and in time: a request that cannot
// be answered before its deadline is refused at once, with the seconds after which to try again,
// instead of being computed for nobody. All functions may be called by any thread.
#pragma once

#include <pthread.h>

#include "server/fault.h"
#include "server/settings.h"

struct admission {
    pthread_mutex_t mutex;
    const struct service_settings *settings;
    int64_t pictures;     // on their way
    int64_t admitted;     // of them: those that are known
    int64_t pixel_bytes;  // of theirs
    int64_t upload_bytes; // of bodies that are held
    double cost;          // of the pictures that are known, by model_kind's cost
    double unit_seconds;  // that a unit of cost takes a worker, lately; 0: not known yet
    int workers;          // that compute; at least 1
};

void admission_init(struct admission *admission, const struct service_settings *settings);
void admission_destroy(struct admission *admission);

// Room for the first picture of a request, before anything is known about it.
bool admission_enter(struct admission *admission, struct fault *fault);

// What a request turns out to be: more pictures than the first, their pixels, what they cost, and
// when it must be answered. Once refused, the first picture is the caller's to give back.
bool admission_admit(struct admission *admission, int64_t more_pictures, int64_t pixel_bytes,
                     double cost, double deadline, struct fault *fault);

// Gives pictures back that are done with, with their cost, and memory that is free again.
void admission_leave(struct admission *admission, int64_t pictures, double cost);
void admission_free_pixels(struct admission *admission, int64_t bytes);

// Memory for bodies.
bool admission_hold_upload(struct admission *admission, int64_t bytes, struct fault *fault);
void admission_free_upload(struct admission *admission, int64_t bytes);

// Learns from a batch how long a unit of cost takes.
void admission_learn(struct admission *admission, double cost, double seconds);

// How many compute at a time.
void admission_set_workers(struct admission *admission, int workers);

// Seconds until what is here now is done, as a client should hear it: 1 to 30.
int32_t admission_retry_after(struct admission *admission);

struct admission_load {
    int64_t pictures, pixel_bytes, upload_bytes;
    double wait_seconds;
};
struct admission_load admission_load(struct admission *admission);
