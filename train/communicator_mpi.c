// The thread of a communicator and all calls of MPI. Nothing here waits inside MPI: requests are
// tested in turn with a look at the others, so that a dead process is noticed in the middle of a
// sum.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "train/communicator_internal.h"
#include "train/communicator_watch.h"

enum {
    SUM_PIECE = 1 << 18,  // floats that one rank sums in one go
    MAX_MESSAGE = 1 << 30 // bytes
};

static const double LOOK_SECONDS = 0.05; // from one look at the others to the next

// How long after a failure rank 0 may take to end in good order, and how long the others wait for
// being ended, which takes mpirun two seconds.
static const double ORDER_SECONDS = 4;
static const double LINGER_SECONDS = 8;

// A beat on its way to one rank.
struct letter {
    MPI_Request request;
    struct beat beat;
};

struct world {
    struct communicator *communicator;
    MPI_Comm data;    // operations
    MPI_Comm control; // beats
    struct watch watch;
    struct letter *letters; // one for each rank
    float *piece;           // the SUM_PIECE floats that this rank sums
    int *begins, *counts;   // of the ranks' parts
    int64_t moves;          // parts of operations that were done
    bool leaving;           // beats are received, but no longer sent
    bool failed;
    bool orphaned; // the failure is that rank 0 is gone
    struct error failure;
};

static double system_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void rest(int64_t nanoseconds) {
    nanosleep(&(struct timespec){.tv_nsec = (long)nanoseconds}, NULL);
}

// Takes a reason why all must end; the first one stays.
static void take_failure(struct world *world, const struct error *failure) {
    if (!world->failed) world->failure = *failure;
    world->failed = true;
}

// False, and a failure of the world, if a call of MPI failed.
static bool succeeded(struct world *world, int code) {
    if (code == MPI_SUCCESS) return true;
    struct error failure;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    error_set(&failure, STATUS_DEVICE, "rank %d: MPI failed: %s", world->watch.rank, text);
    take_failure(world, &failure);
    return false;
}

static bool out_of_memory(struct world *world, int64_t bytes) {
    struct error failure;
    error_memory(&failure, "messages between processes", bytes);
    error_prefix(&failure, "rank %d: ", world->watch.rank);
    take_failure(world, &failure);
    return false;
}

// ---- A look at the others ----

static void send_beat(struct world *world, int rank) {
    struct letter *letter = &world->letters[rank];
    int sent = 0;
    // A letter that a stopped process does not take stays where it is.
    if (!succeeded(world, MPI_Test(&letter->request, &sent, MPI_STATUS_IGNORE)) || !sent) return;
    letter->beat = world->watch.peers[world->watch.rank].beat;
    letter->beat.failed = world->failed;
    letter->beat.failure = world->failure;
    succeeded(world, MPI_Isend(&letter->beat, sizeof letter->beat, MPI_BYTE, rank, 0,
                               world->control, &letter->request));
}

// To whom this process sends its beats: rank 0 to all others, the others to rank 0.
static int first_recipient(const struct world *world) {
    return world->watch.rank == 0 ? 1 : 0;
}

static int last_recipient(const struct world *world) {
    return world->watch.rank == 0 ? world->watch.size - 1 : 0;
}

static void receive_beats(struct world *world) {
    for (;;) {
        int there = 0;
        struct beat beat;
        MPI_Status from;
        if (!succeeded(world, MPI_Iprobe(MPI_ANY_SOURCE, 0, world->control, &there, &from)) ||
            !there)
            return;
        if (!succeeded(world, MPI_Recv(&beat, sizeof beat, MPI_BYTE, from.MPI_SOURCE, 0,
                                       world->control, MPI_STATUS_IGNORE)))
            return;
        watch_hear(&world->watch, from.MPI_SOURCE, &beat);
        if (beat.failed) take_failure(world, &beat.failure);
    }
}

static void look_at_self(struct world *world) {
    struct communicator *communicator = world->communicator;
    pthread_mutex_lock(&communicator->mutex);
    bool waiting = communicator->waiting;
    bool summing = communicator->summing;
    bool on_device = communicator->on_device;
    if (communicator->complaining) take_failure(world, &communicator->complaint);
    pthread_mutex_unlock(&communicator->mutex);
    struct error failure;
    if (on_device && device_look(communicator, &failure) != STATUS_OK)
        take_failure(world, &failure);
    int64_t progress =
        world->moves + atomic_load_explicit(&communicator->ticks, memory_order_relaxed);
    int64_t allowed_ms = atomic_load_explicit(&communicator->allowed_ms, memory_order_relaxed);
    watch_self(&world->watch, progress, waiting, (double)allowed_ms / 1000);
    world->watch.peers[world->watch.rank].beat.summing = summing;
}

// To be called often. False when all must end.
static bool attend(struct world *world) {
    double now = system_seconds();
    if (now - world->watch.looked < LOOK_SECONDS) return !world->failed;
    watch_look(&world->watch, now);
    look_at_self(world);
    receive_beats(world);
    struct error verdict;
    if (!world->failed && watch_judge(&world->watch, &verdict)) {
        take_failure(world, &verdict);
        world->orphaned = world->watch.rank > 0;
    }
    if (!world->failed && !world->leaving && watch_beat_is_due(&world->watch))
        for (int rank = first_recipient(world); rank <= last_recipient(world); rank++)
            send_beat(world, rank);
    return !world->failed;
}

// Waits for all requests: a few tests in a row, then with rests between them, since the processors
// have better things to do. False when all must end.
static bool complete(struct world *world, int count, MPI_Request *requests) {
    enum { EAGER_TESTS = 20, FIRST_REST = 20000, LONGEST_REST = 1000000 };
    int64_t nanoseconds = FIRST_REST;
    for (int tests = 0;; tests++) {
        int done = 0;
        if (!succeeded(world, MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE)))
            return false;
        if (done) break;
        if (!attend(world)) return false;
        if (tests < EAGER_TESTS) continue;
        rest(nanoseconds);
        if (nanoseconds < LONGEST_REST) nanoseconds *= 2;
    }
    world->moves++;
    return true;
}

// ---- Operations; false when all must end ----

// The values are cut into a part for each rank, which is summed there and then copied to all: each
// part is summed once, so all ranks get the same bits, which MPI_Allreduce does not promise.
static bool sum_part_by_part(struct world *world, float *values, int64_t count) {
    int64_t size = world->watch.size;
    MPI_Request request = MPI_REQUEST_NULL;
    for (int64_t rank = 0; rank < size; rank++) {
        int64_t begin = count * rank / size;
        world->begins[rank] = (int)begin;
        world->counts[rank] = (int)(count * (rank + 1) / size - begin);
    }
    return succeeded(world, MPI_Ireduce_scatter(values, world->piece, world->counts, MPI_FLOAT,
                                                MPI_SUM, world->data, &request)) &&
           complete(world, 1, &request) &&
           succeeded(world, MPI_Iallgatherv(world->piece, world->counts[world->watch.rank],
                                            MPI_FLOAT, values, world->counts, world->begins,
                                            MPI_FLOAT, world->data, &request)) &&
           complete(world, 1, &request);
}

static bool sum(struct world *world, const struct operation *operation) {
    int64_t most = (int64_t)SUM_PIECE * world->watch.size;
    float *values = operation->data;
    for (int64_t done = 0; done < operation->count; done += most) {
        int64_t left = operation->count - done;
        if (!sum_part_by_part(world, values + done, left < most ? left : most)) return false;
    }
    return true;
}

static bool broadcast(struct world *world, const struct operation *operation) {
    char *bytes = operation->data;
    for (int64_t done = 0; done < operation->count; done += MAX_MESSAGE) {
        int64_t left = operation->count - done;
        int count = (int)(left < MAX_MESSAGE ? left : MAX_MESSAGE);
        MPI_Request request = MPI_REQUEST_NULL;
        if (!succeeded(world,
                       MPI_Ibcast(bytes + done, count, MPI_BYTE, 0, world->data, &request)) ||
            !complete(world, 1, &request))
            return false;
    }
    return true;
}

// Summed on rank 0 alone, for the same bits everywhere.
static bool sum_doubles(struct world *world, const struct operation *operation) {
    double *values = operation->data;
    MPI_Request request = MPI_REQUEST_NULL;
    return succeeded(world, MPI_Ireduce(world->watch.rank == 0 ? MPI_IN_PLACE : values, values,
                                        (int)operation->count, MPI_DOUBLE, MPI_SUM, 0, world->data,
                                        &request)) &&
           complete(world, 1, &request) &&
           broadcast(world, &(struct operation){
                                .data = values,
                                .count = operation->count * (int64_t)sizeof *values,
                            });
}

static bool barrier(struct world *world, MPI_Comm group) {
    MPI_Request request = MPI_REQUEST_NULL;
    return succeeded(world, MPI_Ibarrier(group, &request)) && complete(world, 1, &request);
}

static bool send_bytes(struct world *world, const char *bytes, int64_t size) {
    for (int64_t done = 0; done < size; done += MAX_MESSAGE) {
        int count = (int)(size - done < MAX_MESSAGE ? size - done : MAX_MESSAGE);
        MPI_Request request = MPI_REQUEST_NULL;
        if (!succeeded(world,
                       MPI_Isend(bytes + done, count, MPI_BYTE, 0, 0, world->data, &request)) ||
            !complete(world, 1, &request))
            return false;
    }
    return true;
}

static bool receive_bytes(struct world *world, int rank, char *bytes, int64_t size) {
    for (int64_t done = 0; done < size; done += MAX_MESSAGE) {
        int count = (int)(size - done < MAX_MESSAGE ? size - done : MAX_MESSAGE);
        MPI_Request request = MPI_REQUEST_NULL;
        if (!succeeded(world,
                       MPI_Irecv(bytes + done, count, MPI_BYTE, rank, 0, world->data, &request)) ||
            !complete(world, 1, &request))
            return false;
    }
    return true;
}

// The size first, then the bytes.
static bool gather(struct world *world, const struct operation *operation) {
    int64_t size = operation->count;
    if (world->watch.rank > 0)
        return send_bytes(world, (const char *)&size, sizeof size) &&
               send_bytes(world, operation->data, size);
    for (int rank = 1; rank < world->watch.size; rank++) {
        struct communicator_part *part = &operation->parts[rank];
        if (!receive_bytes(world, rank, (char *)&part->size, sizeof part->size)) return false;
        part->bytes = arena_alloc(operation->arena, part->size, 1);
        if (!part->bytes) return out_of_memory(world, part->size);
        if (!receive_bytes(world, rank, part->bytes, part->size)) return false;
    }
    return true;
}

static bool carry_out(struct world *world, const struct operation *operation) {
    switch (operation->kind) {
    case OPERATION_SUM:
        return sum(world, operation);
    case OPERATION_SUM_DOUBLES:
        return sum_doubles(world, operation);
    case OPERATION_BARRIER:
        return barrier(world, world->data);
    case OPERATION_BROADCAST:
        return broadcast(world, operation);
    case OPERATION_GATHER:
        return gather(world, operation);
    }
    return false;
}

// ---- The thread ----

// Waits on the communicator, whose mutex is held, for so many seconds or for news.
static void wait_for_news(struct communicator *communicator, double until) {
    struct timespec time = {.tv_sec = (time_t)until};
    time.tv_nsec = (long)((until - (double)time.tv_sec) * 1e9);
    pthread_cond_timedwait(&communicator->changed, &communicator->mutex, &time);
}

// Waits for something to do, with an eye on the others. False when nothing more will come.
static bool next_operation(struct world *world, struct operation *operation) {
    struct communicator *communicator = world->communicator;
    for (;;) {
        if (!attend(world)) return false;
        pthread_mutex_lock(&communicator->mutex);
        bool there = communicator->started > communicator->finished;
        bool closing = communicator->closing;
        if (there)
            *operation = communicator->operations[communicator->finished % MAX_OPERATIONS];
        else if (!closing)
            wait_for_news(communicator, system_seconds() + LOOK_SECONDS);
        pthread_mutex_unlock(&communicator->mutex);
        if (there || closing) return there;
    }
}

static void announce(struct communicator *communicator, bool *what) {
    pthread_mutex_lock(&communicator->mutex);
    *what = true;
    pthread_cond_broadcast(&communicator->changed);
    pthread_mutex_unlock(&communicator->mutex);
}

// Whether MPI knows of all processes that the launcher started.
static bool all_are_here(struct world *world) {
    int64_t promised = world->communicator->promised;
    if (promised == 0 || promised == world->watch.size) return true;
    struct error failure;
    error_set(&failure, STATUS_USAGE,
              "%lld processes were started, but MPI knows of %d: they were started by another MPI "
              "than this program's, or by srun without --mpi=pmix or --mpi=pmi2",
              (long long)promised, world->watch.size);
    take_failure(world, &failure);
    return false;
}

static bool start_watch(struct world *world) {
    struct watch *watch = &world->watch;
    size_t size = (size_t)watch->size;
    watch->peers = calloc(size, sizeof *watch->peers);
    watch->places = calloc(size, sizeof *watch->places);
    world->letters = calloc(size, sizeof *world->letters);
    world->begins = calloc(size, sizeof *world->begins);
    world->counts = calloc(size, sizeof *world->counts);
    world->piece = malloc(SUM_PIECE * sizeof *world->piece);
    if (!watch->peers || !watch->places || !world->letters || !world->begins || !world->counts ||
        !world->piece)
        return out_of_memory(world, (int64_t)(SUM_PIECE * sizeof *world->piece));
    for (size_t i = 0; i < size; i++)
        world->letters[i].request = MPI_REQUEST_NULL;
    watch->silent_seconds = world->communicator->options.silent_seconds;
    watch->stuck_seconds = world->communicator->options.stuck_seconds;
    watch_start(watch, system_seconds());
    return true;
}

// Tells all where each process is.
static bool exchange_places(struct world *world) {
    struct watch *watch = &world->watch;
    char own[WATCH_PLACE_BYTES] = "";
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    snprintf(own, sizeof own, "process %lld on %s", (long long)getpid(), host);
    return succeeded(world, MPI_Allgather(own, sizeof own, MPI_BYTE, watch->places, sizeof own,
                                          MPI_BYTE, world->control));
}

// Learns how many lower ranks are on this machine.
static bool count_neighbours(struct world *world) {
    MPI_Comm machine;
    if (!succeeded(world, MPI_Comm_split_type(world->control, MPI_COMM_TYPE_SHARED, 0,
                                              MPI_INFO_NULL, &machine)))
        return false;
    MPI_Comm_rank(machine, &world->communicator->local_rank);
    return succeeded(world, MPI_Comm_free(&machine));
}

// Containers often forbid the call by which Open MPI 4 copies between processes; it then complains
// on standard error with each message before it takes another way. Here it is told in advance.
static void respect_container(void) {
    char byte = 0;
    char copy;
    struct iovec from = {&byte, 1};
    struct iovec to = {&copy, 1};
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1) return;
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
}

// Learns who the others are.
static bool join(struct world *world) {
    int provided = MPI_THREAD_SINGLE;
    respect_container();
    // Only this thread calls MPI, and it is the one that starts it.
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &world->watch.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world->watch.size);
    return all_are_here(world) && succeeded(world, MPI_Comm_dup(MPI_COMM_WORLD, &world->data)) &&
           succeeded(world, MPI_Comm_dup(MPI_COMM_WORLD, &world->control)) && start_watch(world) &&
           exchange_places(world) && count_neighbours(world);
}

static void serve(struct world *world) {
    struct communicator *communicator = world->communicator;
    communicator->rank = world->watch.rank;
    communicator->size = world->watch.size;
    announce(communicator, &communicator->open);
    struct operation operation;
    while (next_operation(world, &operation) && carry_out(world, &operation)) {
        pthread_mutex_lock(&communicator->mutex);
        communicator->finished++;
        pthread_cond_broadcast(&communicator->changed);
        pthread_mutex_unlock(&communicator->mutex);
    }
}

// Tells the others why all end: for a second at most, as some may not listen any more.
static void spread_failure(struct world *world) {
    double end = system_seconds() + 1;
    bool told = false;
    while (!told && system_seconds() < end) {
        told = true;
        for (int rank = first_recipient(world); rank <= last_recipient(world); rank++) {
            struct letter *letter = &world->letters[rank];
            int sent = 0;
            if (!letter->beat.failed) send_beat(world, rank);
            MPI_Test(&letter->request, &sent, MPI_STATUS_IGNORE);
            told = told && letter->beat.failed && sent;
        }
        if (!told) rest(1000000);
    }
}

// From here on MPI is not called any more, but to end all: it would write into memory that the
// caller, who is told now, may use for something else. Rank 0 has a moment to end in good order.
static void end_all(struct world *world) {
    struct communicator *communicator = world->communicator;
    bool in_charge = world->watch.rank == 0;
    if (!world->orphaned) spread_failure(world);
    communicator->failure = world->failure;
    announce(communicator, &communicator->failed);
    bool device_is_free = device_end(communicator);
    double end = system_seconds() + (in_charge ? ORDER_SECONDS : LINGER_SECONDS);
    pthread_mutex_lock(&communicator->mutex);
    while (!world->orphaned && !(in_charge && communicator->closing) && system_seconds() < end)
        wait_for_news(communicator, end);
    bool closing = communicator->closing;
    pthread_mutex_unlock(&communicator->mutex);
    if (in_charge && closing && device_is_free) return;
    if (communicator->options.log)
        log_message(communicator->options.log, LOG_ERROR, "%s", world->failure.message);
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
}

// When all are here, beats end, and when they have ended for all, they are received: MPI wants no
// message left over.
static void leave(struct world *world) {
    if (!barrier(world, world->control)) return;
    world->leaving = true;
    if (!barrier(world, world->control)) return;
    receive_beats(world);
    for (int rank = 0; rank < world->watch.size; rank++)
        if (!complete(world, 1, &world->letters[rank].request)) return;
    MPI_Comm_free(&world->data);
    MPI_Comm_free(&world->control);
}

void *communicator_thread(void *argument) {
    struct world world = {.communicator = argument};
    if (join(&world)) {
        serve(&world);
        if (!world.failed) leave(&world);
        if (world.failed) end_all(&world);
    } else {
        world.communicator->failure = world.failure;
        announce(world.communicator, &world.communicator->failed);
    }
    if (!world.failed) MPI_Finalize();
    free(world.letters);
    free(world.watch.peers);
    free(world.watch.places);
    free(world.piece);
    free(world.counts);
    free(world.begins);
    return NULL;
}
