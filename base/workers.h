// Threads that share one loop.
//
// workers_run hands out the indices 0..count-1 in order, a few at a time, to all threads (the
// caller's is one of them) and returns when all are done. What a body computes must not depend on
// which worker runs it; the worker's number is for its own scratch memory.
#pragma once

#include <stdint.h>

#include "base/error.h"

struct workers;

// How many processors this process may use (affinity respected), at least 1.
int workers_available(void);

// Starts num_threads - 1 threads, which sleep until there is work. num_threads 0 means
// workers_available().
MUST_CHECK enum status workers_create(struct workers **workers, int num_threads, struct error *err);
void workers_destroy(struct workers *workers); // NULL is fine
int workers_count(const struct workers *workers);

typedef void workers_body(void *context, int64_t index, int worker);

// Calls body(context, i, worker) for every i in 0..count-1, grain indices at a time. Not
// reentrant: one run at a time per struct workers.
void workers_run(struct workers *workers, int64_t count, int64_t grain, workers_body *body,
                 void *context);
