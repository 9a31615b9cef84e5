#include "tools/annotate_pipeline.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/queue.h"
#include "tools/annotate_job.h"

enum { NUM_LOADERS = 2, NUM_WRITERS = 2, NUM_JOBS = 6, NUM_JOBS_OF_TILES = 3 };
// Pictures that a service looks at, and those that are written meanwhile.
enum { MOST_LOADERS = REMOTE_MOST_JOBS, MOST_JOBS = MOST_LOADERS + NUM_WRITERS };

struct pipeline {
    const struct pipeline_options *options;
    struct pipeline_result *result;
    struct queue *idle, *loaded, *detected;
    pthread_mutex_t mutex; // guards what follows, the journal, the progress and the result
    int64_t next;          // file to look at
    int64_t num_taken;     // of all processes' work, so far
    int num_loaders;       // that still run
    atomic_bool stop;      // take no more pictures
    enum status status;    // the first error
    struct error *err;
};

// ---- Loaders ----

// The next file of this process's share; -1 when there is none.
static int64_t take_next(struct pipeline *p) {
    const struct pipeline_options *o = p->options;
    int64_t taken = -1;
    pthread_mutex_lock(&p->mutex);
    if (o->is_interrupted()) p->stop = p->result->interrupted = true;
    while (taken < 0 && !p->stop && p->next < o->files->count) {
        int64_t i = p->next++;
        if (o->plan[i] == PLAN_NOTHING) continue;
        if (p->num_taken++ % o->size == o->rank) taken = i;
    }
    pthread_mutex_unlock(&p->mutex);
    return taken;
}

static void fail(struct pipeline *p, enum status status, const struct error *failure) {
    if (p->status != STATUS_OK) return;
    p->status = error_set(p->err, status, "%s", failure->message);
    p->stop = true;
}

static void warn(void *context, const char *message) {
    struct pipeline *p = context;
    pthread_mutex_lock(&p->mutex);
    progress_clear(p->options->progress);
    log_message(p->options->log, LOG_WARNING, "%s", message);
    pthread_mutex_unlock(&p->mutex);
}

// Without the service nothing more can be done.
static void end_if_lost(struct pipeline *p, const struct annotate_job *job) {
    if (job->status == STATUS_OK) return;
    pthread_mutex_lock(&p->mutex);
    fail(p, job->status, &job->failure);
    pthread_mutex_unlock(&p->mutex);
}

static void *load_pictures(void *context) {
    struct pipeline *p = context;
    const struct remote_caller caller = {&p->stop, p->options->is_interrupted, warn, p};
    for (;;) {
        struct annotate_job *job = queue_pop(p->idle);
        int64_t index = take_next(p);
        if (index < 0) {
            queue_push(p->idle, job);
            break;
        }
        job->index = index;
        job_load(job, p->options, &caller);
        end_if_lost(p, job);
        queue_push(p->loaded, job);
    }
    pthread_mutex_lock(&p->mutex);
    bool last = --p->num_loaders == 0;
    pthread_mutex_unlock(&p->mutex);
    if (last) queue_close(p->loaded);
    return NULL;
}

// ---- Writers ----

static void report(struct pipeline *p, const struct annotate_job *job) {
    const struct pipeline_options *o = p->options;
    struct pipeline_result *result = p->result;
    const struct annotate_record *record = &job->record;
    result->num_done++;
    if (!record->failed) {
        result->num_objects += record->image.num_objects;
        progress_done(o->progress, record->image.num_objects);
        return;
    }
    progress_clear(o->progress);
    progress_event_failed(o->progress, record->file, record->code, record->message);
    log_message(o->log, LOG_WARNING, "%s [%s], skipped", record->message, record->code);
    progress_failed(o->progress);
    if (++result->num_failed > o->max_failures && o->max_failures >= 0)
        p->stop = result->too_many_failures = true;
}

// Writes files and the line of a picture; after an error, nothing more.
static void finish(struct pipeline *p, struct annotate_job *job) {
    struct output line;
    struct error failure;
    output_open_memory(&line);
    enum status status = job_write(job, p->options, &line, &failure);
    pthread_mutex_lock(&p->mutex);
    if (status == STATUS_OK && p->status == STATUS_OK)
        status = journal_append(p->options->journal, line.data, line.size, &failure);
    if (status != STATUS_OK)
        fail(p, status, &failure);
    else if (p->status == STATUS_OK)
        report(p, job);
    pthread_mutex_unlock(&p->mutex);
    output_discard(&line);
}

static void *write_pictures(void *context) {
    struct pipeline *p = context;
    for (struct annotate_job *job = queue_pop(p->detected); job; job = queue_pop(p->detected)) {
        if (!job->dropped) finish(p, job);
        job_empty(job);
        queue_push(p->idle, job);
    }
    return NULL;
}

// ---- The detector ----

// An interruption leaves what was only loaded.
static bool is_stopped(struct pipeline *p) {
    pthread_mutex_lock(&p->mutex);
    if (p->options->is_interrupted()) p->stop = p->result->interrupted = true;
    bool stop = p->stop;
    pthread_mutex_unlock(&p->mutex);
    return stop;
}

static void detect_pictures(struct pipeline *p) {
    const struct pipeline_options *o = p->options;
    for (struct annotate_job *job = queue_pop(p->loaded); job; job = queue_pop(p->loaded)) {
        if (!job->is_detected) job->dropped = is_stopped(p);
        if (!job->dropped) job_detect(job, o);
        p->result->detect_seconds += job->detect_seconds;
        queue_push(p->detected, job);
        o->tick(o->tick_context);
    }
    queue_close(p->detected);
}

// ---- All together ----

static int start_threads(pthread_t *threads, int count, void *(*run)(void *), struct pipeline *p) {
    int started = 0;
    while (started < count && pthread_create(&threads[started], NULL, run, p) == 0)
        started++;
    return started;
}

static enum status run_threads(struct pipeline *p, struct error *err) {
    pthread_t loaders[MOST_LOADERS];
    pthread_t writers[NUM_WRITERS];
    const struct remote *remote = p->options->remote;
    int wanted = remote ? (int)remote_jobs(remote) : NUM_LOADERS;
    p->num_loaders = wanted;
    int num_writers = start_threads(writers, NUM_WRITERS, write_pictures, p);
    int num_loaders = num_writers > 0 ? start_threads(loaders, wanted, load_pictures, p) : 0;
    pthread_mutex_lock(&p->mutex);
    p->num_loaders -= wanted - num_loaders; // those that never ran
    bool none = p->num_loaders == 0;
    pthread_mutex_unlock(&p->mutex);
    if (none) queue_close(p->loaded);
    detect_pictures(p);
    for (int i = 0; i < num_loaders; i++)
        pthread_join(loaders[i], NULL);
    for (int i = 0; i < num_writers; i++)
        pthread_join(writers[i], NULL);
    if (num_loaders > 0) return p->status;
    return error_set(err, STATUS_INTERNAL, "cannot start threads");
}

static enum status make_queues(struct pipeline *p, struct error *err) {
    TRY(queue_create(&p->idle, MOST_JOBS, err));
    TRY(queue_create(&p->loaded, MOST_JOBS, err));
    return queue_create(&p->detected, MOST_JOBS, err);
}

enum status pipeline_run(const struct pipeline_options *options, struct pipeline_result *result,
                         struct error *err) {
    struct annotate_job jobs[MOST_JOBS] = {0};
    struct pipeline p = {.options = options, .result = result, .err = err};
    *result = (struct pipeline_result){0};
    pthread_mutex_init(&p.mutex, NULL);
    enum status status = make_queues(&p, err);
    if (status == STATUS_OK) {
        int num_jobs = options->tiling.side > 0 ? NUM_JOBS_OF_TILES : NUM_JOBS;
        if (options->remote) num_jobs = (int)remote_jobs(options->remote) + NUM_WRITERS;
        for (int i = 0; i < num_jobs; i++)
            queue_push(p.idle, &jobs[i]);
        status = run_threads(&p, err);
    }
    for (int i = 0; i < MOST_JOBS; i++)
        job_empty(&jobs[i]);
    queue_destroy(p.idle);
    queue_destroy(p.loaded);
    queue_destroy(p.detected);
    pthread_mutex_destroy(&p.mutex);
    return status;
}
