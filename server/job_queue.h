// Pictures that wait to be computed, the oldest first. A worker takes the one that waits longest,
// and with it those others of equal input size, limits and model that are there already, up to the
// batch's limit. So nobody waits for company, and by more than one batch for pictures that came
// later.
#pragma once

#include <pthread.h>

#include "server/exchange.h"

struct job_queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct job *first;
    int64_t num_taken; // batches that are being computed
    bool stops;
};

void job_queue_init(struct job_queue *queue);
void job_queue_destroy(struct job_queue *queue);

// Jobs of one request, linked by next. False if no device computes their model any more: they stay
// the caller's.
MUST_CHECK bool job_queue_add(struct job_queue *queue, struct job *first);

// Waits for jobs that this device can compute, and takes at most so many into batch. Those that
// failed before come alone. 0: it stops, and there are none.
int64_t job_queue_take(struct job_queue *queue, int64_t device, int64_t most, struct job **batch);

// What job_queue_take took is done with, but for these jobs, which come before all others.
void job_queue_done(struct job_queue *queue, struct job **jobs, int64_t count);

// Takes out the jobs of models that no device computes any more, linked by next.
struct job *job_queue_take_lost(struct job_queue *queue);

// Has job_queue_take return once there are no jobs, neither here nor with a worker.
void job_queue_stop(struct job_queue *queue);
