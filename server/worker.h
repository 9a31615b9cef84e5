// The thread that owns the models' computing: takes the picture that waits longest, and with it
// those others of equal input size, limits and model that are there already, up to the batch's
// limit. So nobody waits for company, and by more than one batch for pictures that came later.
#pragma once

#include "server/admission.h"
#include "server/exchange.h"

struct worker;

MUST_CHECK enum status worker_create(struct worker **worker, struct service *service,
                                     struct error *err);

// Ends the thread, once no jobs are left. NULL is fine.
void worker_destroy(struct worker *worker);

// Jobs of one request, linked by next. Each holds a reference on its exchange.
void worker_add(struct worker *worker, struct job *first);

// Seconds since the batch at hand was begun; 0 if there is none.
double worker_busy_seconds(struct worker *worker);
