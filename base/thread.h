// Threads that leave signals to others: those of libraries and of the service.
#pragma once

#include <pthread.h>

#include "base/error.h"

// Starts one with all signals blocked: those are for the thread that waits for them, and a handler
// must never run on top of one that computes (tools/interrupt.c).
MUST_CHECK enum status thread_start(pthread_t *thread, void *(*body)(void *), void *argument,
                                    struct error *err);
