// Threads that decode pictures and write answers. Answers come first: they free what they hold.
#pragma once

#include "server/settings.h"

struct exchange;
struct pool;

MUST_CHECK enum status pool_create(struct pool **pool, const struct service_settings *settings,
                                   struct error *err);

// Lets the threads finish what is there and ends them. NULL is fine.
void pool_destroy(struct pool *pool);

// To be prepared, or encoded if it is computed. Takes over a reference.
void pool_add(struct pool *pool, struct exchange *exchange);

// Memory for decoders: waits until bytes are free, or all of it, if that is less.
void pool_hold_memory(struct pool *pool, int64_t bytes);
void pool_free_memory(struct pool *pool, int64_t bytes);
