#include "nn/cuda/collectives.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "nn/cuda/backend.h"

// So long leaving and ending may take; then they are given up.
static const double LEAVE_SECONDS = 5;
static const double ABORT_SECONDS = 2;

struct collectives {
    struct nn *nn;
    struct nccl nccl;
    struct side_stream *side;
    pthread_mutex_t mutex; // guards what follows, and all calls about comm: one thread at a time
    pthread_cond_t changed;
    struct nccl_comm *comm;   // NULL before connecting, and after the end
    struct nccl_comm *doomed; // is being ended, by a thread of its own
    bool ending;              // that thread is at it
    const char *doing;        // what comm was asked for last
};

static const struct cuda_side *side_of(const struct collectives *c) {
    return &c->nn->cuda->backend->side;
}

// Which device NCCL takes is a matter of the calling thread.
static enum status enter(const struct collectives *c, struct error *err) {
    const struct cuda *cuda = c->nn->cuda;
    return cuda->backend->enter(cuda->device, err);
}

// ---- Opening ----

enum status collectives_open(struct collectives **result, struct nn *nn, struct error *err) {
    struct collectives *c = *result = calloc(1, sizeof *c);
    if (!c) return error_memory(err, "sums over devices", sizeof *c);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    c->nn = nn;
    TRY(nccl_open(&c->nccl, NULL, err));
    TRY(enter(c, err));
    return side_of(c)->open(&c->side, nn, err);
}

void collectives_name(const struct collectives *c, char name[NCCL_NAME_BYTES]) {
    nccl_name(&c->nccl, name);
}

enum status collectives_place(const struct collectives *c, char place[COLLECTIVES_PLACE_BYTES],
                              struct error *err) {
    const struct cuda *cuda = c->nn->cuda;
    _Static_assert((int)COLLECTIVES_PLACE_BYTES == (int)CUDA_PLACE_BYTES, "the same text");
    return cuda->backend->place(cuda->device, place, err);
}

enum status collectives_make_id(struct collectives *c, struct nccl_id *id, struct error *err) {
    TRY(enter(c, err));
    return nccl_status(&c->nccl, NULL, c->nccl.ncclGetUniqueId(id), "a name for the processes",
                       err);
}

// ---- Calls about comm, under the mutex ----

static enum status ended(struct error *err) {
    return error_set(err, STATUS_DEVICE, "NCCL: sums over devices have ended");
}

enum status collectives_connect(struct collectives *c, const struct nccl_id *id, int rank, int size,
                                struct error *err) {
    struct nccl_config config = nccl_config_without_waiting();
    TRY(enter(c, err));
    pthread_mutex_lock(&c->mutex);
    c->doing = "connecting devices";
    enum nccl_result result = c->nccl.ncclCommInitRankConfig(&c->comm, size, *id, rank, &config);
    enum status status = nccl_status(&c->nccl, c->comm, result, c->doing, err);
    pthread_mutex_unlock(&c->mutex);
    return status;
}

// The stream first has to come to where the values are computed.
enum status collectives_sum(struct collectives *c, float *values, int64_t count,
                            struct error *err) {
    TRY(enter(c, err));
    TRY(side_of(c)->follow(c->side, err));
    pthread_mutex_lock(&c->mutex);
    enum status status = STATUS_OK;
    c->doing = "a sum over devices";
    if (c->comm)
        status = nccl_status(&c->nccl, c->comm,
                             c->nccl.ncclAllReduce(values, values, (size_t)count, NCCL_FLOAT32,
                                                   NCCL_SUM, c->comm, side_of(c)->handle(c->side)),
                             c->doing, err);
    else
        status = ended(err);
    pthread_mutex_unlock(&c->mutex);
    return status;
}

// The mutex is held, comm is there.
static enum status ask(struct collectives *c, bool *settled, struct error *err) {
    enum nccl_result state = NCCL_SUCCESS;
    TRY(nccl_status(&c->nccl, c->comm, c->nccl.ncclCommGetAsyncError(c->comm, &state), "its state",
                    err));
    *settled = state == NCCL_SUCCESS;
    return nccl_status(&c->nccl, c->comm, state, c->doing, err);
}

enum status collectives_is_settled(struct collectives *c, bool *settled, struct error *err) {
    *settled = false;
    pthread_mutex_lock(&c->mutex);
    enum status status = c->comm ? ask(c, settled, err) : ended(err);
    pthread_mutex_unlock(&c->mutex);
    return status;
}

enum status collectives_check(struct collectives *c, struct error *err) {
    bool settled = false;
    // Another thread is in a call, which may take long: it is asked again soon.
    if (pthread_mutex_trylock(&c->mutex) != 0) return STATUS_OK;
    enum status status = c->comm ? ask(c, &settled, err) : STATUS_OK;
    pthread_mutex_unlock(&c->mutex);
    return status;
}

// ---- Order with the kernels ----

enum status collectives_lead(struct collectives *c, struct error *err) {
    TRY(side_of(c)->lead(c->side, err));
    c->nn->cuda->busy = true;
    return STATUS_OK;
}

enum status collectives_is_done(struct collectives *c, bool *done, struct error *err) {
    return side_of(c)->is_done(c->side, done, err);
}

// ---- The end ----

static struct timespec seconds_from_now(double seconds) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t nanoseconds = time.tv_nsec + (int64_t)(seconds * 1e9);
    time.tv_sec += (time_t)(nanoseconds / 1000000000);
    time.tv_nsec = (long)(nanoseconds % 1000000000);
    return time;
}

static bool is_before(const struct timespec *end) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec < end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec < end->tv_nsec);
}

static void *end_comm(void *argument) {
    struct collectives *c = argument;
    (void)!enter(c, NULL);
    c->nccl.ncclCommAbort(c->doomed);
    pthread_mutex_lock(&c->mutex);
    c->ending = false;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

// The mutex is held.
static void start_to_end(struct collectives *c) {
    pthread_t thread;
    if (!c->comm) return;
    c->doomed = c->comm;
    c->comm = NULL;
    c->ending = true; // for ever, where not even a thread can be had
    if (pthread_create(&thread, NULL, end_comm, c) == 0) pthread_detach(thread);
}

// NCCL waits for the device here, which may be the one that hangs; and who has the mutex may be in
// a call that does.
bool collectives_abort(struct collectives *c, double seconds) {
    struct timespec end = seconds_from_now(seconds);
    if (pthread_mutex_clocklock(&c->mutex, CLOCK_MONOTONIC, &end) != 0) return false;
    start_to_end(c);
    while (c->ending && is_before(&end))
        pthread_cond_timedwait(&c->changed, &c->mutex, &end);
    bool is_over = !c->ending;
    pthread_mutex_unlock(&c->mutex);
    return is_over;
}

void collectives_leave(struct collectives *c) {
    struct timespec end = seconds_from_now(LEAVE_SECONDS);
    bool settled = false;
    pthread_mutex_lock(&c->mutex);
    enum status status = STATUS_CANCELLED;
    c->doing = "leaving";
    if (c->comm)
        status = nccl_status(&c->nccl, c->comm, c->nccl.ncclCommFinalize(c->comm), c->doing, NULL);
    pthread_mutex_unlock(&c->mutex);
    while (status == STATUS_OK && !settled && is_before(&end)) {
        status = collectives_is_settled(c, &settled, NULL);
        if (!settled) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    if (!settled) return;
    pthread_mutex_lock(&c->mutex);
    if (c->comm) c->nccl.ncclCommDestroy(c->comm);
    c->comm = NULL;
    pthread_mutex_unlock(&c->mutex);
}

void collectives_close(struct collectives *c) {
    // What does not end keeps using its memory.
    if (!c || !collectives_abort(c, ABORT_SECONDS)) return;
    side_of(c)->close(c->side);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}
