// A service on several devices of the stub model, which files tell what to do (server/model.h), and
// many that ask it at once.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "tests/server/check_service.h"

// Whether the model is told so: "fail-0".
void devices_tell(const char *what, bool is_so);

// With batches of one picture and the options, of which the last two may be NULL.
struct service *devices_start(const char *devices, const char *option, const char *other);

// The last answer to what is asked below.
extern struct check_answer devices_answer;

void devices_get(int port, const char *path);
// One picture, or a batch request with so many copies of it.
void devices_post(const struct service *service, const struct check_picture *picture, int copies);

// /v1/health/ready, whose reason is reason, "" for none.
void expect_ready(const struct service *service, int status, const char *reason);
// /v1/info holds this text; and the models are as described.
void expect_states(const struct service *service, const char *states);

// A line of /metrics; that of a device, whose name is cuda:DEVICE.
int64_t devices_metric(const struct service *service, const char *line);
int64_t device_metric(const struct service *service, const char *name, int device);

// ---- Many that ask ----

enum { CROWD_CLIENTS = 6 };

struct crowd {
    const struct service *service;
    struct check_picture picture;
    char expected[4096]; // what each answer holds
    atomic_int left;     // requests to come
    atomic_int good;
    atomic_int unavailable; // device_lost or internal, as it should be
    atomic_int wrong;
    pthread_t threads[CROWD_CLIENTS];
};

// Asks once alone, which is what all answers are compared with.
void crowd_create(struct crowd *crowd, const struct service *service);
void crowd_destroy(struct crowd *crowd);

void crowd_start(struct crowd *crowd, int count);
void crowd_join(struct crowd *crowd); // none may be wrong

// Asks until the device has failed so often.
void crowd_until_failure(struct crowd *crowd, int device, int64_t failures);
