// A first-in first-out queue of pointers between threads, with a fixed capacity: producers wait
// when it is full, consumers when it is empty. Safe for any number of both.
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct queue;

MUST_CHECK enum status queue_create(struct queue **queue, int capacity, struct error *err);
void queue_destroy(
    struct queue *queue); // NULL is fine; items still inside are the caller's to free

// Waits for room; false when the queue was closed (the item was not taken).
bool queue_push(struct queue *queue, void *item);

// Does not wait; false when full or closed.
bool queue_try_push(struct queue *queue, void *item);

// Waits for an item; NULL when the queue is closed and empty.
void *queue_pop(struct queue *queue);

// No more items go in; those inside can still be taken. Wakes all waiters.
void queue_close(struct queue *queue);

int queue_length(struct queue *queue);
