// Sums on devices, by NCCL (nn/cuda/collectives.h): how the processes come to use it, and what the
// caller's thread does for a sum. The communicator's other thread looks whether anything fails
// meanwhile, and ends it.
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nn/cuda/module.h"
#include "nn/nn.h"
#include "train/communicator_internal.h"

// Connecting may take so many times what a process may be stuck.
enum { CONNECT_TIMES_STUCK = 3, TRIAL_FLOATS = 1 << 18 };
static const enum status GAVE_UP =
    STATUS_CANCELLED; // on another process, which may know better why
static const double ABORT_SECONDS = 2;

// Where a process computes.
struct station {
    char host[64];
    char place[COLLECTIVES_PLACE_BYTES];
    struct error refusal; // why not by NCCL
};

static double now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// ---- Waiting ----

static enum status set_waiting(struct communicator *communicator, bool waiting, bool summing,
                               struct error *err) {
    pthread_mutex_lock(&communicator->mutex);
    communicator->waiting = waiting;
    communicator->summing = summing;
    bool failed = communicator->failed;
    pthread_mutex_unlock(&communicator->mutex);
    return failed ? communicator_failure(communicator, err) : STATUS_OK;
}

// Mostly it does not take long, and then a step is the shorter for it.
static void rest(int64_t tries) {
    enum { EAGER_TRIES = 2000, REST_NANOSECONDS = 50000 };
    if (tries < EAGER_TRIES)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = REST_NANOSECONDS}, NULL);
}

typedef enum status question(struct collectives *collectives, bool *answer, struct error *err);

// Asks until the answer is yes, or the communicator fails. With limit, no longer than so many
// seconds, in which this process is not stuck; without, it takes as long as the others may take.
static enum status wait_for(struct communicator *communicator, question *ask, double limit,
                            struct error *err) {
    double end = now_seconds() + limit;
    bool answer = false;
    enum status status = STATUS_OK;
    for (int64_t tries = 0; status == STATUS_OK && !answer; tries++) {
        status = set_waiting(communicator, true, limit == 0, err);
        if (status == STATUS_OK) status = ask(communicator->collectives, &answer, err);
        if (status != STATUS_OK || answer) break;
        rest(tries);
        if (limit == 0) continue;
        communicator_tick(communicator);
        if (now_seconds() > end)
            status =
                error_set(err, GAVE_UP, "NCCL: after %.0f s the devices are not connected", limit);
    }
    communicator_tick(communicator);
    // If all end, that is the reason for whatever was found here.
    enum status all = set_waiting(communicator, false, false, err);
    return all != STATUS_OK ? all : status;
}

// ---- Sums ----

const char *communicator_device_library(const struct communicator *communicator) {
    return communicator->on_device ? communicator->library : NULL;
}

void device_sum_start(struct communicator *communicator, float *values, int64_t count) {
    struct error *failure = &communicator->device_failure;
    if (count == 0 || failure->code != STATUS_OK) return;
    if (collectives_sum(communicator->collectives, values, count, failure) != STATUS_OK) return;
    (void)!wait_for(communicator, collectives_is_settled, 0, failure);
}

enum status device_sum_wait(struct communicator *communicator, struct error *err) {
    const struct error *failure = &communicator->device_failure;
    if (failure->code != STATUS_OK) {
        *err = *failure;
        return err->code;
    }
    TRY(collectives_lead(communicator->collectives, err));
    return wait_for(communicator, collectives_is_done, 0, err);
}

// ---- For the communicator's own thread ----

enum status device_look(struct communicator *communicator, struct error *err) {
    enum status status = collectives_check(communicator->collectives, err);
    if (status != STATUS_OK) error_prefix(err, "rank %d: ", communicator->rank);
    return status;
}

bool device_end(struct communicator *communicator) {
    pthread_mutex_lock(&communicator->mutex);
    struct collectives *collectives = communicator->collectives;
    pthread_mutex_unlock(&communicator->mutex);
    return !collectives || collectives_abort(collectives, ABORT_SECONDS);
}

// ---- Agreeing to use it ----

static void refuse(struct error *first, const struct error *refusal, int rank) {
    bool is_better = first->code == STATUS_OK || first->code == GAVE_UP;
    if (refusal->code == STATUS_OK || !is_better || first->code == refusal->code) return;
    *first = *refusal;
    if (rank > 0) error_prefix(first, "rank %d: ", rank);
}

static void look_for_shared(const struct communicator_part *parts, int size, struct error *first) {
    for (int i = 1; i < size; i++) {
        const struct station *a = parts[i].bytes;
        for (int j = 0; j < i && first->code == STATUS_OK; j++) {
            const struct station *b = parts[j].bytes;
            if (strcmp(a->host, b->host) == 0 && strcmp(a->place, b->place) == 0)
                error_set(first, STATUS_DEVICE, "NCCL: ranks %d and %d share a device", j, i);
        }
    }
}

// The first refusal of all processes, if there is one, for all of them.
static enum status agree(struct communicator *communicator, const struct station *own,
                         struct error *first, struct error *err) {
    struct communicator_part *parts = NULL;
    struct arena arena;
    *first = (struct error){0};
    arena_init(&arena, 1 << 14, 0);
    enum status status = communicator_gather(communicator, own, sizeof *own, &arena, &parts, err);
    for (int rank = 0; parts && status == STATUS_OK && rank < communicator->size; rank++)
        refuse(first, &((const struct station *)parts[rank].bytes)->refusal, rank);
    if (parts && status == STATUS_OK) look_for_shared(parts, communicator->size, first);
    arena_destroy(&arena);
    TRY(status);
    return communicator_broadcast(communicator, first, sizeof *first, err);
}

// A sum whose result is known.
static enum status try_sum(struct communicator *communicator, struct nn *nn, double limit,
                           struct error *err) {
    struct collectives *collectives = communicator->collectives;
    const int64_t bytes = TRIAL_FLOATS * (int64_t)sizeof(float);
    void *there = NULL; // on the device
    void *here = NULL;
    int64_t wrong = 0;
    TRY(cuda_allocate(nn, bytes, &there, err));
    TRY(cuda_allocate_pinned(nn, bytes, &here, err));
    float *values = here;
    for (int64_t i = 0; i < TRIAL_FLOATS; i++)
        values[i] = (float)(communicator->rank + 1) * (float)(i % 1024);
    cuda_transfer(nn, there, values, bytes);
    TRY(collectives_sum(collectives, there, TRIAL_FLOATS, err));
    TRY(wait_for(communicator, collectives_is_settled, limit, err));
    TRY(collectives_lead(collectives, err));
    TRY(wait_for(communicator, collectives_is_done, limit, err));
    cuda_transfer(nn, values, there, bytes);
    TRY(nn_status(nn, err));
    float times = (float)communicator->size * (float)(communicator->size + 1) / 2;
    for (int64_t i = 0; i < TRIAL_FLOATS; i++)
        wrong += values[i] != times * (float)(i % 1024);
    if (wrong == 0) return STATUS_OK;
    return error_set(err, STATUS_DEVICE, "NCCL: of a trial sum %lld of %d numbers are wrong",
                     (long long)wrong, (int)TRIAL_FLOATS);
}

static enum status connect_devices(struct communicator *communicator, struct nn *nn,
                                   const struct nccl_id *id, struct error *err) {
    double limit = CONNECT_TIMES_STUCK * communicator->options.stuck_seconds;
    TRY(collectives_connect(communicator->collectives, id, communicator->rank, communicator->size,
                            err));
    TRY(wait_for(communicator, collectives_is_settled, limit, err));
    return try_sum(communicator, nn, limit, err);
}

static enum status look_around(struct communicator *communicator, struct nn *nn,
                               struct station *own, struct nccl_id *id, struct error *err) {
    struct collectives *collectives = NULL;
    gethostname(own->host, sizeof own->host - 1);
    enum status status = collectives_open(&collectives, nn, err);
    pthread_mutex_lock(&communicator->mutex);
    communicator->collectives = collectives;
    pthread_mutex_unlock(&communicator->mutex);
    TRY(status);
    TRY(collectives_place(collectives, own->place, err));
    return communicator->rank == 0 ? collectives_make_id(collectives, id, err) : STATUS_OK;
}

// What this process cannot do is no error: all learn of it, and do without.
enum status communicator_use_device(struct communicator *communicator, struct nn *nn,
                                    struct error *why, struct error *err) {
    struct station own = {0};
    struct nccl_id id = {0};
    *why = (struct error){0};
    if (communicator->size == 1 || nn->device != NN_CUDA) return STATUS_OK;
    (void)!look_around(communicator, nn, &own, &id, &own.refusal);
    TRY(agree(communicator, &own, why, err));
    if (why->code != STATUS_OK) return STATUS_OK;
    TRY(communicator_broadcast(communicator, &id, sizeof id, err));
    // Who has failed ends at once, so that the others need not wait for it.
    if (connect_devices(communicator, nn, &id, &own.refusal) != STATUS_OK) device_end(communicator);
    TRY(agree(communicator, &own, why, err));
    if (why->code != STATUS_OK) {
        if (device_end(communicator)) return STATUS_OK;
        return error_set(err, STATUS_DEVICE, "%s; and what was begun cannot be ended",
                         why->message);
    }
    collectives_name(communicator->collectives, communicator->library);
    pthread_mutex_lock(&communicator->mutex);
    communicator->on_device = true;
    pthread_mutex_unlock(&communicator->mutex);
    return STATUS_OK;
}
