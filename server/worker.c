#include "server/worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "server/service_internal.h"

enum { MOST_BATCH = 64 };

struct worker {
    struct service *service;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct job *first; // oldest
    bool stops;
    double batch_start; // 0: idle
    pthread_t thread;
    bool has_thread;
};

// ---- Choosing ----

static bool fit_together(const struct job *a, const struct job *b) {
    return a->exchange->model == b->exchange->model && a->input.width == b->input.width &&
           a->input.height == b->input.height && a->limits.min_score == b->limits.min_score &&
           a->limits.max_detections == b->limits.max_detections && a->limits.nms == b->limits.nms &&
           a->limits.mask_threshold == b->limits.mask_threshold;
}

// Takes the oldest job and all that fit it out of the queue, with the mutex held.
static int64_t take_batch(struct worker *worker, struct job **batch) {
    int64_t most = worker->service->settings->batch_max;
    int64_t count = 0;
    for (struct job **at = &worker->first; *at && count < most;) {
        struct job *job = *at;
        if (count > 0 && !fit_together(job, batch[0])) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        batch[count++] = job;
    }
    return count;
}

static int64_t wait_for_batch(struct worker *worker, struct job **batch) {
    pthread_mutex_lock(&worker->mutex);
    worker->batch_start = 0;
    while (!worker->first && !worker->stops)
        pthread_cond_wait(&worker->changed, &worker->mutex);
    int64_t count = take_batch(worker, batch);
    if (count > 0) worker->batch_start = clock_seconds();
    pthread_mutex_unlock(&worker->mutex);
    return count;
}

// ---- Computing ----

// Runs of masks and all the rest that a list holds, into the request's arena.
static bool copy_list(struct detection_list *copy, const struct detection_list *list,
                      struct arena *arena) {
    copy->items = arena_alloc(arena, list->count, sizeof *copy->items);
    copy->count = list->count;
    if (!copy->items) return false;
    if (list->count > 0)
        memcpy(copy->items, list->items, (size_t)list->count * sizeof *copy->items);
    for (int64_t i = 0; i < list->count; i++) {
        struct rle *mask = &copy->items[i].mask;
        uint32_t *runs = arena_alloc(arena, mask->num_runs, sizeof *runs);
        if (!runs) return false;
        memcpy(runs, mask->runs, (size_t)mask->num_runs * sizeof *runs);
        mask->runs = runs;
    }
    return true;
}

static void set_failure(struct fault *fault, enum status status) {
    if (status == STATUS_DATA)
        fault_set(fault, FAULT_NON_FINITE_OUTPUT, "the model computed no numbers for this picture");
    else if (status == STATUS_MEMORY)
        fault_set(fault, FAULT_MEMORY_BUDGET, "there is no memory to compute this picture");
    else
        fault_set(fault, FAULT_INTERNAL, "the picture could not be computed");
    if (status == STATUS_MEMORY) fault->retry_after = 1;
}

static void keep(struct job *job, const struct detection_list *list, int64_t batch,
                 const struct detect_seconds *seconds) {
    struct detect_outcome *outcome = &job->exchange->outcomes[job->index];
    outcome->batch = batch;
    outcome->seconds[PHASE_PREPROCESS] = seconds->preprocess;
    outcome->seconds[PHASE_INFER] = seconds->infer;
    outcome->seconds[PHASE_POSTPROCESS] = seconds->postprocess;
    if (!copy_list(&outcome->list, list, &job->exchange->arena))
        set_failure(&outcome->fault, STATUS_MEMORY);
}

static enum status detect(struct job **batch, int64_t count, struct arena *arena,
                          struct error *err) {
    struct model *model = batch[0]->exchange->model;
    struct image images[MOST_BATCH];
    struct detection_list lists[MOST_BATCH];
    struct detect_seconds seconds = {0};
    for (int64_t i = 0; i < count; i++)
        images[i] = batch[i]->exchange->outcomes[batch[i]->index].image;
    TRY(model->kind->detect(model, images, count, &batch[0]->limits, arena, lists, &seconds, err));
    for (int64_t i = 0; i < count; i++)
        keep(batch[i], &lists[i], count, &seconds);
    return STATUS_OK;
}

static enum status try_batch(struct worker *worker, struct job **batch, int64_t count,
                             struct error *err) {
    enum { BLOCK_BYTES = 1 << 18 };
    struct service *service = worker->service;
    struct arena arena;
    double start = clock_seconds();
    double cost = 0;
    for (int64_t i = 0; i < count; i++)
        cost += batch[i]->cost;
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = detect(batch, count, &arena, err);
    arena_destroy(&arena);
    if (status != STATUS_OK) return status;
    double seconds = clock_seconds() - start;
    histogram_add(&service->metrics.batch_size, (double)count);
    histogram_add(&service->metrics.batch_seconds, seconds);
    admission_learn(&service->admission, cost, seconds);
    return STATUS_OK;
}

static void compute_alone(struct worker *worker, struct job *job) {
    struct service *service = worker->service;
    struct error err = {0};
    enum status status = try_batch(worker, &job, 1, &err);
    if (status == STATUS_OK) return;
    log_message(service->log, LOG_ERROR, "request %s: %s", job->exchange->id, err.message);
    set_failure(&job->exchange->outcomes[job->index].fault, status);
    if (status == STATUS_DATA) atomic_fetch_add(&service->metrics.non_finite, 1);
}

// A picture that fails takes no other with it: each is tried alone then.
static void compute(struct worker *worker, struct job **batch, int64_t count) {
    struct error err = {0};
    if (count > 1 && try_batch(worker, batch, count, &err) == STATUS_OK) return;
    for (int64_t i = 0; i < count; i++)
        compute_alone(worker, batch[i]);
}

static void run_batch(struct worker *worker, struct job **batch, int64_t count) {
    struct job *wanted[MOST_BATCH];
    int64_t num_wanted = 0;
    double now = clock_seconds();
    for (int64_t i = 0; i < count; i++) {
        struct detect_outcome *outcome = &batch[i]->exchange->outcomes[batch[i]->index];
        outcome->seconds[PHASE_QUEUE] += now - batch[i]->queued;
        if (exchange_begin_computing(batch[i]->exchange))
            wanted[num_wanted++] = batch[i];
        else
            fault_set(&outcome->fault, FAULT_DEADLINE_QUEUE, "nobody waits for it any more");
    }
    if (num_wanted > 0) compute(worker, wanted, num_wanted);
    for (int64_t i = 0; i < count; i++)
        exchange_job_done(batch[i]);
}

static void *worker_main(void *argument) {
    struct worker *worker = argument;
    struct job *batch[MOST_BATCH];
    for (int64_t count = wait_for_batch(worker, batch); count > 0;
         count = wait_for_batch(worker, batch))
        run_batch(worker, batch, count);
    return NULL;
}

// ---- For others ----

enum status worker_create(struct worker **result, struct service *service, struct error *err) {
    struct worker *worker = *result = calloc(1, sizeof *worker);
    if (!worker) return error_memory(err, "a thread", sizeof *worker);
    worker->service = service;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->changed, NULL);
    TRY(thread_start(&worker->thread, worker_main, worker, err));
    worker->has_thread = true;
    return STATUS_OK;
}

void worker_destroy(struct worker *worker) {
    if (!worker) return;
    pthread_mutex_lock(&worker->mutex);
    worker->stops = true;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
    if (worker->has_thread) pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

void worker_add(struct worker *worker, struct job *first) {
    pthread_mutex_lock(&worker->mutex);
    struct job **end = &worker->first;
    while (*end)
        end = &(*end)->next;
    *end = first;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
}

double worker_busy_seconds(struct worker *worker) {
    pthread_mutex_lock(&worker->mutex);
    double seconds = worker->batch_start > 0 ? clock_seconds() - worker->batch_start : 0;
    pthread_mutex_unlock(&worker->mutex);
    return seconds;
}
