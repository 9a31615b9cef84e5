// The threads that own the models' computing, one for each device: whichever is free takes what
// waits longest (server/job_queue.h).
//
// A device that fails is opened once more, while the others go on; if it fails again then, it is
// out of service for that model. The pictures that it had go back to the front of the queue, once.
#pragma once

#include "server/admission.h"
#include "server/exchange.h"

struct worker_group;

MUST_CHECK enum status worker_group_create(struct worker_group **group, struct service *service,
                                           struct error *err);

// Ends the threads, once no jobs are left. NULL is fine.
void worker_group_destroy(struct worker_group *group);

// Jobs of one request, linked by next. Each holds a reference on its exchange.
void worker_group_add(struct worker_group *group, struct job *first);

// Seconds since the device's batch at hand was begun; 0 if there is none.
double worker_group_busy_seconds(struct worker_group *group, int64_t device);
