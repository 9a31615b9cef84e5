#include "server/worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "server/job_queue.h"
#include "server/service_internal.h"

enum { MOST_BATCH = 64 };

struct worker {
    struct service *service;
    struct job_queue *queue; // of all
    int64_t device;
    _Atomic double batch_start; // 0: idle
    pthread_t thread;
};

struct worker_group {
    struct job_queue queue;
    int64_t count;         // that were started
    struct worker items[]; // of each device
};

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

static void set_lost(struct fault *fault) {
    enum { RETRY_SECONDS = 30 };
    fault_set(fault, FAULT_DEVICE_LOST, "no device is left that computes pictures");
    fault->retry_after = RETRY_SECONDS;
}

static void set_failure(struct fault *fault, enum status status) {
    if (status == STATUS_DATA)
        fault_set(fault, FAULT_NON_FINITE_OUTPUT, "the model computed no numbers for this picture");
    else if (status == STATUS_MEMORY)
        fault_set(fault, FAULT_MEMORY_BUDGET, "there is no memory to compute this picture");
    else if (status == STATUS_DEVICE)
        fault_set(fault, FAULT_INTERNAL, "the device failed twice as it computed this picture");
    else
        fault_set(fault, FAULT_INTERNAL, "the picture could not be computed");
    if (status == STATUS_MEMORY) fault->retry_after = 1;
}

static void keep(struct job *job, const struct detection_list *list, int64_t batch, int64_t device,
                 const struct detect_seconds *seconds) {
    struct exchange *exchange = job->exchange;
    struct detect_outcome *outcome = &exchange->outcomes[job->index];
    outcome->batch = batch;
    outcome->device = device;
    outcome->seconds[PHASE_PREPROCESS] = seconds->preprocess;
    outcome->seconds[PHASE_INFER] = seconds->infer;
    outcome->seconds[PHASE_POSTPROCESS] = seconds->postprocess;
    pthread_mutex_lock(&exchange->arena_mutex);
    bool is_copied = copy_list(&outcome->list, list, &exchange->arena);
    pthread_mutex_unlock(&exchange->arena_mutex);
    if (!is_copied) set_failure(&outcome->fault, STATUS_MEMORY);
}

static enum status detect(int64_t device, struct job **batch, int64_t count, struct arena *arena,
                          struct error *err) {
    struct model *model = batch[0]->exchange->model;
    struct image images[MOST_BATCH];
    struct detection_list lists[MOST_BATCH];
    struct detect_seconds seconds = {0};
    for (int64_t i = 0; i < count; i++)
        images[i] = batch[i]->exchange->outcomes[batch[i]->index].image;
    TRY(model->kind->detect(model, device, images, count, &batch[0]->limits, arena, lists, &seconds,
                            err));
    for (int64_t i = 0; i < count; i++)
        keep(batch[i], &lists[i], count, device, &seconds);
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
    enum status status = detect(worker->device, batch, count, &arena, err);
    arena_destroy(&arena);
    if (status != STATUS_OK) return status;
    double seconds = clock_seconds() - start;
    histogram_add(&service->metrics.batch_size, (double)count);
    histogram_add(&service->metrics.batch_seconds, seconds);
    atomic_fetch_add(&service->metrics.device_pictures[worker->device], count);
    admission_learn(&service->admission, cost, seconds);
    return STATUS_OK;
}

// STATUS_DEVICE if the device failed, and what became of the picture is for others to say.
static enum status compute_alone(struct worker *worker, struct job *job, struct error *err) {
    struct service *service = worker->service;
    enum status status = try_batch(worker, &job, 1, err);
    if (status == STATUS_OK || status == STATUS_DEVICE) return status;
    log_message(service->log, LOG_ERROR, "request %s: %s", job->exchange->id, err->message);
    set_failure(&job->exchange->outcomes[job->index].fault, status);
    if (status == STATUS_DATA) atomic_fetch_add(&service->metrics.non_finite, 1);
    return STATUS_OK;
}

// How many it is done with: all, unless the device fails. A picture that fails takes no other with
// it: each is tried alone then.
static int64_t compute(struct worker *worker, struct job **batch, int64_t count,
                       struct error *err) {
    enum status status = STATUS_OK;
    if (count > 1) {
        status = try_batch(worker, batch, count, err);
        if (status == STATUS_OK) return count;
        if (status == STATUS_DEVICE) return 0;
    }
    for (int64_t i = 0; i < count; i++)
        if (compute_alone(worker, batch[i], err) == STATUS_DEVICE) return i;
    return count;
}

// Those that somebody still waits for; the others are done with.
static int64_t choose_wanted(struct job **batch, int64_t count) {
    int64_t num_wanted = 0;
    double now = clock_seconds();
    for (int64_t i = 0; i < count; i++) {
        struct job *job = batch[i];
        struct detect_outcome *outcome = &job->exchange->outcomes[job->index];
        outcome->seconds[PHASE_QUEUE] += now - job->queued;
        if (exchange_begin_computing(job->exchange)) {
            batch[num_wanted++] = job;
            continue;
        }
        fault_set(&outcome->fault, FAULT_DEADLINE_QUEUE, "nobody waits for it any more");
        exchange_job_done(job);
    }
    return num_wanted;
}

// ---- When a device fails ----

// Of the pictures that it left: which may be tried once more. The others are done with.
static int64_t choose_retried(struct job **batch, int64_t count) {
    int64_t num_retried = 0;
    for (int64_t i = 0; i < count; i++) {
        struct job *job = batch[i];
        if (job->has_failed) {
            set_failure(&job->exchange->outcomes[job->index].fault, STATUS_DEVICE);
            exchange_job_done(job);
            continue;
        }
        job->has_failed = true;
        job->queued = clock_seconds();
        batch[num_retried++] = job;
    }
    return num_retried;
}

static void answer_lost(struct job *first) {
    for (struct job *job = first, *next = NULL; job; job = next) {
        next = job->next;
        set_lost(&job->exchange->outcomes[job->index].fault);
        exchange_job_done(job);
    }
}

static void open_again(struct worker *worker, struct model *model, const struct error *why) {
    struct service *service = worker->service;
    const char *name = service->settings->devices.items[worker->device];
    struct error err = {0};
    atomic_fetch_add(&service->metrics.device_failures[worker->device], 1);
    log_message(service->log, LOG_ERROR, "device %s: %s; it is opened again", name, why->message);
    if (model_open_device(model, worker->device, &err) == STATUS_OK) {
        log_message(service->log, LOG_WARNING, "device %s computes again", name);
        return;
    }
    log_message(service->log, LOG_ERROR, "device %s is out of service: %s", name, err.message);
    answer_lost(job_queue_take_lost(worker->queue));
}

// ---- The thread ----

static void run_batch(struct worker *worker, struct job **batch, int64_t count) {
    struct error err = {0};
    int64_t num_wanted = choose_wanted(batch, count);
    // The model lives on, if others answer before the device is open again.
    struct model *model = num_wanted > 0 ? model_share(batch[0]->exchange->model) : NULL;
    int64_t num_done = compute(worker, batch, num_wanted, &err);
    for (int64_t i = 0; i < num_done; i++)
        exchange_job_done(batch[i]);
    struct job **left = batch + num_done;
    int64_t num_left = num_wanted - num_done;
    job_queue_done(worker->queue, left, choose_retried(left, num_left));
    if (num_left > 0) open_again(worker, model, &err);
    model_release(model);
}

static void *worker_main(void *argument) {
    struct worker *worker = argument;
    struct job *batch[MOST_BATCH];
    for (;;) {
        int64_t most = worker->service->settings->batch_max;
        int64_t count = job_queue_take(worker->queue, worker->device, most, batch);
        if (count == 0) return NULL;
        atomic_store(&worker->batch_start, clock_seconds());
        run_batch(worker, batch, count);
        atomic_store(&worker->batch_start, 0);
    }
}

// ---- For others ----

enum status worker_group_create(struct worker_group **result, struct service *service,
                                struct error *err) {
    int64_t count = service->settings->devices.count;
    size_t bytes = sizeof(struct worker_group) + (size_t)count * sizeof(struct worker);
    struct worker_group *group = *result = calloc(1, bytes);
    if (!group) return error_memory(err, "threads", (long long)bytes);
    job_queue_init(&group->queue);
    for (; group->count < count; group->count++) {
        struct worker *worker = &group->items[group->count];
        worker->service = service;
        worker->queue = &group->queue;
        worker->device = group->count;
        TRY(thread_start(&worker->thread, worker_main, worker, err));
    }
    return STATUS_OK;
}

void worker_group_destroy(struct worker_group *group) {
    if (!group) return;
    job_queue_stop(&group->queue);
    for (int64_t i = 0; i < group->count; i++)
        pthread_join(group->items[i].thread, NULL);
    job_queue_destroy(&group->queue);
    free(group);
}

void worker_group_add(struct worker_group *group, struct job *first) {
    if (!job_queue_add(&group->queue, first)) answer_lost(first);
}

double worker_group_busy_seconds(struct worker_group *group, int64_t device) {
    double start = atomic_load(&group->items[device].batch_start);
    return start > 0 ? clock_seconds() - start : 0;
}
