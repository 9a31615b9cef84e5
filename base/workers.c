#include "base/workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct workers {
    int num_threads; // the caller's included
    pthread_t *threads;
    pthread_mutex_t mutex;
    pthread_cond_t work_ready;
    pthread_cond_t work_done;
    uint64_t run; // counts workers_run calls; a sleeping thread wakes when it changes
    int num_busy; // threads that have not finished the current run
    int next_worker;
    bool stopping;

    // The current run, constant while threads work on it.
    workers_body *body;
    void *context;
    int64_t count;
    int64_t grain;
    atomic_int_fast64_t next_index;
};

int workers_available(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

static void take_part(struct workers *workers, int worker) {
    for (;;) {
        int64_t begin = atomic_fetch_add(&workers->next_index, workers->grain);
        if (begin >= workers->count) return;
        int64_t end = begin + workers->grain;
        if (end > workers->count) end = workers->count;
        for (int64_t i = begin; i < end; i++)
            workers->body(workers->context, i, worker);
    }
}

static void *thread_main(void *argument) {
    struct workers *workers = argument;
    uint64_t seen_run = 0;
    pthread_mutex_lock(&workers->mutex);
    int worker = workers->next_worker++;
    for (;;) {
        while (workers->run == seen_run && !workers->stopping)
            pthread_cond_wait(&workers->work_ready, &workers->mutex);
        if (workers->stopping) break;
        seen_run = workers->run;
        pthread_mutex_unlock(&workers->mutex);
        take_part(workers, worker);
        pthread_mutex_lock(&workers->mutex);
        if (--workers->num_busy == 0) pthread_cond_signal(&workers->work_done);
    }
    pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

enum status workers_create(struct workers **result, int num_threads, struct error *err) {
    *result = NULL;
    if (num_threads == 0) num_threads = workers_available();
    CHECK(num_threads > 0);
    struct workers *workers = calloc(1, sizeof *workers);
    if (!workers) return error_memory(err, "worker threads", sizeof *workers);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->work_ready, NULL);
    pthread_cond_init(&workers->work_done, NULL);
    workers->num_threads = 1;
    workers->next_worker = 1; // 0 is the caller of workers_run
    workers->threads = calloc((size_t)num_threads, sizeof *workers->threads);
    if (!workers->threads) {
        workers_destroy(workers);
        return error_memory(err, "worker threads", num_threads * (long long)sizeof(pthread_t));
    }
    while (workers->num_threads < num_threads) {
        pthread_t *thread = &workers->threads[workers->num_threads - 1];
        int code = pthread_create(thread, NULL, thread_main, workers);
        if (code != 0) {
            workers_destroy(workers);
            return error_set(err, STATUS_INTERNAL, "cannot start a thread: %s", strerror(code));
        }
        workers->num_threads++;
    }
    *result = workers;
    return STATUS_OK;
}

void workers_destroy(struct workers *workers) {
    if (!workers) return;
    pthread_mutex_lock(&workers->mutex);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->work_ready);
    pthread_mutex_unlock(&workers->mutex);
    for (int i = 0; i < workers->num_threads - 1; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->work_done);
    pthread_cond_destroy(&workers->work_ready);
    pthread_mutex_destroy(&workers->mutex);
    free(workers->threads);
    free(workers);
}

int workers_count(const struct workers *workers) {
    return workers->num_threads;
}

void workers_run(struct workers *workers, int64_t count, int64_t grain, workers_body *body,
                 void *context) {
    CHECK(count >= 0 && grain > 0);
    workers->body = body;
    workers->context = context;
    workers->count = count;
    workers->grain = grain;
    atomic_store(&workers->next_index, 0);
    bool alone = workers->num_threads == 1 || count <= grain;
    if (!alone) {
        pthread_mutex_lock(&workers->mutex);
        workers->run++;
        workers->num_busy = workers->num_threads - 1;
        pthread_cond_broadcast(&workers->work_ready);
        pthread_mutex_unlock(&workers->mutex);
    }
    take_part(workers, 0);
    if (alone) return;
    pthread_mutex_lock(&workers->mutex);
    while (workers->num_busy > 0)
        pthread_cond_wait(&workers->work_done, &workers->mutex);
    pthread_mutex_unlock(&workers->mutex);
}
