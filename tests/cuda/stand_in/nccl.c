// Stands in for libnccl.so.2 on the emulated device: sums over processes through memory that they
// share. It ends the process with a message where a rule of NCCL is broken: what is called while
// something is in progress, or by two threads at a time, or after the end; sums that differ between
// processes, or lie outside of the device's memory or are not in place.
//
// Everything that may go on in the background does: connecting, and a sum, which reaches its stream
// only after it was asked for a few times. NCCL_STAND_IN names faults: of rank 1, at its
// FAULTY_SUM'th sum where that is about sums, or old and hang_abort, of all.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nn/cuda/nccl.h"
#include "tests/cuda/emulator/stream_calls.h"

enum { MAX_RANKS = 8, PIECE = 1 << 14, ASKED = 3, FAULTY_SUM = 9, VERSION = 22809 };

// What a process says of the sum that it is at.
struct intention {
    int64_t number;
    int64_t count;
};

// What the processes share.
struct shared {
    atomic_int size;
    atomic_bool joined[MAX_RANKS];
    atomic_bool left[MAX_RANKS];
    atomic_int_least64_t written[MAX_RANKS]; // pieces, of all sums
    atomic_int_least64_t read[MAX_RANKS];
    struct intention intentions[MAX_RANKS];
    float pieces[MAX_RANKS][PIECE];
};

enum stage { CONNECTING, READY, SUMMING, LEAVING, LEFT, FAILED, ABORTED };

struct nccl_comm {
    struct shared *shared;
    int rank, size;
    enum stage stage;
    int asked;           // in this stage
    pthread_t thread;    // that started the sum
    atomic_bool inside;  // a call is under way
    atomic_bool aborted; // for streams, which look at it while they sum
    int64_t num_sums;
    int64_t num_pieces; // done by this process's stream
    struct sum *next;
};

struct sum {
    struct nccl_comm *comm;
    void *stream;
    const float *from;
    float *to;
    int64_t count, done;
    int64_t number;
    bool is_written; // the piece at done
};

__attribute__((noreturn)) static void die(const char *what) {
    fprintf(stderr, "stand-in for NCCL: %s\n", what);
    abort();
}

static bool has_fault(const char *name, int rank) {
    const char *fault = getenv("NCCL_STAND_IN");
    return fault && strstr(fault, name) && rank == 1;
}

static void enter(struct nccl_comm *comm) {
    if (!comm) die("a call without a communicator");
    if (atomic_exchange(&comm->inside, true)) die("two threads at a time");
    if (comm->stage == ABORTED) die("a call after ncclCommAbort or ncclCommDestroy");
}

static enum nccl_result leave(struct nccl_comm *comm, enum nccl_result result) {
    atomic_store(&comm->inside, false);
    return result;
}

static void need(const struct nccl_comm *comm, enum stage stage, const char *call) {
    char text[128];
    if (comm->stage == stage) return;
    snprintf(text, sizeof text, "%s in stage %d, expected %d", call, (int)comm->stage, (int)stage);
    die(text);
}

// ---- Connecting ----

enum nccl_result ncclGetVersion(int *version) {
    const char *fault = getenv("NCCL_STAND_IN");
    *version = fault && strcmp(fault, "old") == 0 ? 21003 : VERSION;
    return NCCL_SUCCESS;
}

const char *ncclGetErrorString(enum nccl_result result) {
    return result == NCCL_REMOTE_ERROR ? "a remote error" : "an error";
}

const char *ncclGetLastError(struct nccl_comm *comm) {
    (void)comm;
    return "of the\nstand-in";
}

// The name of memory that lives as long as somebody uses it.
enum nccl_result ncclGetUniqueId(struct nccl_id *id) {
    int file = memfd_create("nccl", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, sizeof(struct shared)) != 0) return NCCL_SYSTEM_ERROR;
    memset(id, 0, sizeof *id);
    snprintf(id->bytes, sizeof id->bytes, "/proc/%ld/fd/%d", (long)getpid(), file);
    return NCCL_SUCCESS;
}

static struct shared *open_shared(const struct nccl_id *id) {
    if (strncmp(id->bytes, "/proc/", 6) != 0) die("this is no name that ncclGetUniqueId made");
    int file = open(id->bytes, O_RDWR | O_CLOEXEC);
    if (file < 0) die(strerror(errno));
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

enum nccl_result ncclCommInitRankConfig(struct nccl_comm **result, int size, struct nccl_id id,
                                        int rank, struct nccl_config *config) {
    int none = 0;
    if (config->magic != 0xcafebeef || config->blocking != 0 || config->size < sizeof *config)
        die("this is no configuration, or one that waits");
    if (rank < 0 || rank >= size || size > MAX_RANKS) return NCCL_INVALID_ARGUMENT;
    struct nccl_comm *comm = *result = calloc(1, sizeof *comm);
    if (!comm || !(comm->shared = open_shared(&id))) return NCCL_SYSTEM_ERROR;
    comm->rank = rank;
    comm->size = size;
    if (!atomic_compare_exchange_strong(&comm->shared->size, &none, size) && none != size)
        die("processes disagree on how many they are");
    if (has_fault("fail_init", rank)) comm->stage = FAILED;
    if (has_fault("hang_init", rank)) return NCCL_IN_PROGRESS;
    if (atomic_exchange(&comm->shared->joined[rank], true)) die("two processes of one rank");
    return NCCL_IN_PROGRESS;
}

static bool all(const struct nccl_comm *comm, atomic_bool *flags) {
    for (int i = 0; i < comm->size; i++)
        if (!atomic_load(&flags[i])) return false;
    return true;
}

// ---- Sums ----

static bool all_reached(const struct nccl_comm *comm, atomic_int_least64_t *counts, int64_t count) {
    for (int i = 0; i < comm->size; i++)
        if (atomic_load(&counts[i]) < count) return false;
    return true;
}

static int64_t piece_size(const struct sum *sum) {
    return sum->count - sum->done < PIECE ? sum->count - sum->done : PIECE;
}

static void write_piece(struct sum *sum) {
    struct nccl_comm *comm = sum->comm;
    struct shared *shared = comm->shared;
    shared->intentions[comm->rank] = (struct intention){sum->number, sum->count};
    memcpy(shared->pieces[comm->rank], sum->from + sum->done,
           (size_t)piece_size(sum) * sizeof(float));
    sum->is_written = true;
    atomic_store(&shared->written[comm->rank], comm->num_pieces + 1);
}

// In the order of ranks, so that all get the same bits.
static void read_piece(struct sum *sum) {
    struct nccl_comm *comm = sum->comm;
    struct shared *shared = comm->shared;
    for (int rank = 0; rank < comm->size; rank++)
        if (shared->intentions[rank].number != sum->number ||
            shared->intentions[rank].count != sum->count)
            die("processes sum different numbers of floats");
    for (int64_t i = 0; i < piece_size(sum); i++) {
        float value = 0;
        for (int rank = 0; rank < comm->size; rank++)
            value += shared->pieces[rank][i];
        sum->to[sum->done + i] = value;
    }
    sum->done += piece_size(sum);
    sum->is_written = false;
    comm->num_pieces++;
    atomic_store(&shared->read[comm->rank], comm->num_pieces);
}

// What the stream tries again and again. One step at a time, so that others come between.
static bool try_sum(void *argument) {
    struct sum *sum = argument;
    struct nccl_comm *comm = sum->comm;
    bool hangs = sum->number == FAULTY_SUM && has_fault("hang_sum", comm->rank);
    bool over = atomic_load(&comm->aborted);
    if (!over && !hangs && !sum->is_written &&
        all_reached(comm, comm->shared->read, comm->num_pieces))
        write_piece(sum);
    else if (!over && sum->is_written &&
             all_reached(comm, comm->shared->written, comm->num_pieces + 1))
        read_piece(sum);
    over = over || sum->done == sum->count;
    if (over) free(sum);
    return over;
}

enum nccl_result ncclAllReduce(const void *from, void *to, size_t count, int type, int operation,
                               struct nccl_comm *comm, void *stream) {
    const struct emulated_stream_calls *calls = stream ? *(void **)stream : NULL;
    enter(comm);
    need(comm, READY, "ncclAllReduce");
    if (type != NCCL_FLOAT32 || operation != NCCL_SUM) die("only sums of floats are here");
    if (!calls) die("a sum on the default stream");
    if (count == 0 || !calls->is_device_memory(from, count * sizeof(float)) ||
        !calls->is_device_memory(to, count * sizeof(float)))
        die("a sum of what is not in one piece of the device's memory");
    if (from != to) die("only sums in place are here");
    struct sum *sum = calloc(1, sizeof *sum);
    if (!sum) return leave(comm, NCCL_SYSTEM_ERROR);
    *sum = (struct sum){comm, stream, from, to, (int64_t)count, 0, ++comm->num_sums, false};
    comm->next = sum;
    comm->thread = pthread_self();
    comm->stage = SUMMING;
    comm->asked = 0;
    return leave(comm, NCCL_IN_PROGRESS);
}

static void give_to_stream(struct nccl_comm *comm) {
    struct sum *sum = comm->next;
    const struct emulated_stream_calls *calls = *(void **)sum->stream;
    comm->stage = READY;
    comm->next = NULL;
    calls->enqueue(sum->stream, try_sum, sum, sum->to);
}

// ---- Asking, and the end ----

// Only the thread that started a sum moves it on: the emulated device knows no other.
static void go_on(struct nccl_comm *comm) {
    bool asked = ++comm->asked >= ASKED;
    if (comm->stage == CONNECTING && asked && all(comm, comm->shared->joined))
        comm->stage = READY;
    else if (comm->stage == SUMMING && asked && pthread_equal(comm->thread, pthread_self()))
        give_to_stream(comm);
    else if (comm->stage == LEAVING && asked && all(comm, comm->shared->left))
        comm->stage = LEFT;
    if (comm->num_sums >= FAULTY_SUM && has_fault("fail_sum", comm->rank)) comm->stage = FAILED;
}

enum nccl_result ncclCommGetAsyncError(struct nccl_comm *comm, enum nccl_result *result) {
    enter(comm);
    if (comm->stage != FAILED) go_on(comm);
    bool is_settled = comm->stage == READY || comm->stage == LEFT;
    *result = comm->stage == FAILED ? NCCL_REMOTE_ERROR
              : is_settled          ? NCCL_SUCCESS
                                    : NCCL_IN_PROGRESS;
    return leave(comm, NCCL_SUCCESS);
}

enum nccl_result ncclCommFinalize(struct nccl_comm *comm) {
    enter(comm);
    need(comm, READY, "ncclCommFinalize");
    comm->stage = LEAVING;
    comm->asked = 0;
    atomic_store(&comm->shared->left[comm->rank], true);
    return leave(comm, NCCL_IN_PROGRESS);
}

// Its memory stays, so that later calls are found.
enum nccl_result ncclCommDestroy(struct nccl_comm *comm) {
    enter(comm);
    need(comm, LEFT, "ncclCommDestroy");
    comm->stage = ABORTED;
    return leave(comm, NCCL_SUCCESS);
}

enum nccl_result ncclCommAbort(struct nccl_comm *comm) {
    enter(comm);
    comm->stage = ABORTED;
    atomic_store(&comm->aborted, true);
    while (has_fault("hang_abort", 1))
        pause();
    return leave(comm, NCCL_SUCCESS);
}
