#include "server/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/thread.h"
#include "server/exchange.h"

struct task_list {
    struct exchange *first, *last;
};

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_cond_t memory_freed;
    struct task_list computed, arrived;
    bool stops;
    int64_t decode_bytes; // limit
    int64_t held_bytes;
    int64_t num_threads;
    pthread_t threads[];
};

static void append(struct task_list *list, struct exchange *exchange) {
    exchange->next_task = NULL;
    if (list->last)
        list->last->next_task = exchange;
    else
        list->first = exchange;
    list->last = exchange;
}

static struct exchange *take(struct task_list *list) {
    struct exchange *exchange = list->first;
    if (!exchange) return NULL;
    list->first = exchange->next_task;
    if (!list->first) list->last = NULL;
    return exchange;
}

static struct exchange *next_task(struct pool *pool) {
    struct exchange *exchange = NULL;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        exchange = take(&pool->computed);
        if (!exchange) exchange = take(&pool->arrived);
        if (exchange || pool->stops) break;
        pthread_cond_wait(&pool->changed, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return exchange;
}

static void *pool_main(void *argument) {
    struct pool *pool = argument;
    for (struct exchange *e = next_task(pool); e; e = next_task(pool)) {
        if (e->is_computed)
            exchange_encode(e);
        else
            exchange_prepare(e);
        exchange_release(e);
    }
    return NULL;
}

enum status pool_create(struct pool **result, const struct service_settings *settings,
                        struct error *err) {
    size_t bytes = sizeof(struct pool) + (size_t)settings->decoders * sizeof(pthread_t);
    struct pool *pool = *result = calloc(1, bytes);
    if (!pool) return error_memory(err, "threads", (long long)bytes);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pthread_cond_init(&pool->memory_freed, NULL);
    pool->decode_bytes = settings->decode_bytes;
    for (; pool->num_threads < settings->decoders; pool->num_threads++)
        TRY(thread_start(&pool->threads[pool->num_threads], pool_main, pool, err));
    return STATUS_OK;
}

void pool_destroy(struct pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    pool->stops = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (int64_t i = 0; i < pool->num_threads; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->memory_freed);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

void pool_add(struct pool *pool, struct exchange *exchange) {
    pthread_mutex_lock(&pool->mutex);
    append(exchange->is_computed ? &pool->computed : &pool->arrived, exchange);
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_hold_memory(struct pool *pool, int64_t bytes) {
    pthread_mutex_lock(&pool->mutex);
    while (pool->held_bytes > 0 && pool->held_bytes + bytes > pool->decode_bytes)
        pthread_cond_wait(&pool->memory_freed, &pool->mutex);
    pool->held_bytes += bytes;
    pthread_mutex_unlock(&pool->mutex);
}

void pool_free_memory(struct pool *pool, int64_t bytes) {
    pthread_mutex_lock(&pool->mutex);
    pool->held_bytes -= bytes;
    pthread_cond_broadcast(&pool->memory_freed);
    pthread_mutex_unlock(&pool->mutex);
}
