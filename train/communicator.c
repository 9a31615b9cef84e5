#include "train/communicator.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "train/communicator_internal.h"

// ---- Opening and closing ----

static int64_t environment_count(const char *name) {
    const char *text = getenv(name);
    long count = text ? strtol(text, NULL, 10) : 0;
    return count > 0 ? count : 0;
}

// How many processes the launcher says it started; 0 if it says nothing.
static int64_t promised_processes(void) {
    // Open MPI's mpirun; MPICH's, and srun --mpi=pmi2; srun, which also says so to tasks that it
    // gives no way to find each other. SLURM_NTASKS will not do: the script of a batch job has it
    // too, and runs once.
    static const char *const COUNTS[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
                                         "SLURM_STEP_NUM_TASKS"};
    int64_t count = 0;
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0] && count == 0; i++)
        count = environment_count(COUNTS[i]);
    return count;
}

bool communicator_is_launched(void) {
    int64_t promised = promised_processes();
    // PMIx says the rank and nothing more.
    return promised > 1 || (promised == 0 && getenv("PMIX_RANK"));
}

static struct communicator_options with_defaults(struct communicator_options options) {
    if (options.silent_seconds == 0) options.silent_seconds = 20;
    if (options.stuck_seconds == 0) options.stuck_seconds = 20;
    return options;
}

// Nobody writes the failure a second time, so it is read without the mutex.
enum status communicator_failure(const struct communicator *communicator, struct error *err) {
    return error_set(err, communicator->failure.code, "%s", communicator->failure.message);
}

// Waits until the thread knows the others.
static enum status start_thread(struct communicator *communicator, struct error *err) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&communicator->mutex, NULL);
    pthread_cond_init(&communicator->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int code = pthread_create(&communicator->thread, NULL, communicator_thread, communicator);
    if (code != 0)
        return error_set(err, STATUS_INTERNAL, "cannot start a thread: %s", strerror(code));
    communicator->threaded = true;
    pthread_mutex_lock(&communicator->mutex);
    while (!communicator->open && !communicator->failed)
        pthread_cond_wait(&communicator->changed, &communicator->mutex);
    bool failed = communicator->failed;
    pthread_mutex_unlock(&communicator->mutex);
    return failed ? communicator_failure(communicator, err) : STATUS_OK;
}

enum status communicator_open(struct communicator **result,
                              const struct communicator_options *options, struct error *err) {
    struct communicator *communicator = *result = calloc(1, sizeof *communicator);
    if (!communicator) return error_memory(err, "a communicator", sizeof *communicator);
    communicator->options = with_defaults(*options);
    communicator->promised = promised_processes();
    communicator->size = 1;
    if (!communicator_is_launched()) return STATUS_OK;
    return start_thread(communicator, err);
}

enum status communicator_close(struct communicator *communicator, struct error *err) {
    if (!communicator) return STATUS_OK;
    enum status status = STATUS_OK;
    if (communicator->threaded) {
        status = communicator_barrier(communicator, err);
        if (status == STATUS_OK && communicator->collectives)
            collectives_leave(communicator->collectives);
        pthread_mutex_lock(&communicator->mutex);
        communicator->closing = true;
        communicator->waiting = true; // to the end
        pthread_cond_broadcast(&communicator->changed);
        pthread_mutex_unlock(&communicator->mutex);
        pthread_join(communicator->thread, NULL);
        if (communicator->failed) status = communicator_failure(communicator, err);
        collectives_close(communicator->collectives);
        pthread_cond_destroy(&communicator->changed);
        pthread_mutex_destroy(&communicator->mutex);
    }
    free(communicator);
    return status;
}

int communicator_rank(const struct communicator *communicator) {
    return communicator->rank;
}

int communicator_size(const struct communicator *communicator) {
    return communicator->size;
}

int communicator_local_rank(const struct communicator *communicator) {
    return communicator->local_rank;
}

// ---- Operations ----

// Waits until at most so many operations are not done; the mutex is held. False after a failure.
static bool wait_for(struct communicator *communicator, int64_t unfinished) {
    communicator->waiting = true;
    while (!communicator->failed && communicator->started - communicator->finished > unfinished)
        pthread_cond_wait(&communicator->changed, &communicator->mutex);
    communicator->waiting = false;
    communicator_tick(communicator);
    return !communicator->failed;
}

static void start(struct communicator *communicator, struct operation operation) {
    pthread_mutex_lock(&communicator->mutex);
    if (wait_for(communicator, MAX_OPERATIONS - 1)) {
        communicator->operations[communicator->started % MAX_OPERATIONS] = operation;
        communicator->started++;
        pthread_cond_broadcast(&communicator->changed);
    }
    pthread_mutex_unlock(&communicator->mutex);
}

static enum status finish(struct communicator *communicator, struct error *err) {
    pthread_mutex_lock(&communicator->mutex);
    bool done = wait_for(communicator, 0);
    pthread_mutex_unlock(&communicator->mutex);
    return done ? STATUS_OK : communicator_failure(communicator, err);
}

static enum status run(struct communicator *communicator, struct operation operation,
                       struct error *err) {
    if (!communicator->threaded) return STATUS_OK;
    start(communicator, operation);
    return finish(communicator, err);
}

void communicator_sum_start(struct communicator *communicator, float *values, int64_t count) {
    CHECK(count >= 0);
    if (communicator->on_device)
        device_sum_start(communicator, values, count);
    else if (communicator->threaded)
        start(communicator, (struct operation){OPERATION_SUM, .data = values, .count = count});
}

enum status communicator_sum_wait(struct communicator *communicator, struct error *err) {
    if (communicator->on_device) return device_sum_wait(communicator, err);
    return communicator->threaded ? finish(communicator, err) : STATUS_OK;
}

enum status communicator_sum_doubles(struct communicator *communicator, double *values,
                                     int64_t count, struct error *err) {
    CHECK(count >= 0);
    return run(communicator,
               (struct operation){OPERATION_SUM_DOUBLES, .data = values, .count = count}, err);
}

enum status communicator_barrier(struct communicator *communicator, struct error *err) {
    return run(communicator, (struct operation){.kind = OPERATION_BARRIER}, err);
}

enum status communicator_broadcast(struct communicator *communicator, void *bytes, int64_t size,
                                   struct error *err) {
    CHECK(size >= 0);
    return run(communicator, (struct operation){OPERATION_BROADCAST, .data = bytes, .count = size},
               err);
}

enum status communicator_gather(struct communicator *communicator, const void *bytes, int64_t size,
                                struct arena *arena, struct communicator_part **parts,
                                struct error *err) {
    CHECK(size >= 0);
    *parts = NULL;
    if (communicator->rank > 0)
        return run(communicator,
                   (struct operation){OPERATION_GATHER, .data = (void *)bytes, .count = size}, err);
    struct communicator_part *own = arena_alloc(arena, communicator->size, sizeof *own);
    void *copy = arena_alloc(arena, size, 1);
    if (!own || !copy) return error_memory(err, "what processes gather", size);
    if (size > 0) memcpy(copy, bytes, (size_t)size);
    own[0] = (struct communicator_part){copy, size};
    *parts = own;
    return run(communicator, (struct operation){OPERATION_GATHER, .arena = arena, .parts = own},
               err);
}

// ---- Signs of life, and of the opposite ----

void communicator_fail(struct communicator *communicator, const struct error *err) {
    if (!communicator->threaded) return;
    pthread_mutex_lock(&communicator->mutex);
    if (!communicator->failed) {
        error_set(&communicator->complaint, err->code, "rank %d: %s", communicator->rank,
                  err->message);
        communicator->complaining = true;
        pthread_cond_broadcast(&communicator->changed);
    }
    while (!communicator->failed)
        pthread_cond_wait(&communicator->changed, &communicator->mutex);
    pthread_mutex_unlock(&communicator->mutex);
}

void communicator_tick(struct communicator *communicator) {
    atomic_fetch_add_explicit(&communicator->ticks, 1, memory_order_relaxed);
    atomic_store_explicit(&communicator->allowed_ms, 0, memory_order_relaxed);
}

void communicator_allow(struct communicator *communicator, double seconds) {
    CHECK(seconds >= 0 && seconds < 1e9);
    communicator_tick(communicator);
    atomic_store_explicit(&communicator->allowed_ms, (int64_t)(seconds * 1000),
                          memory_order_relaxed);
}
