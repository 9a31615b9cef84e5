// One of the processes that test_communicator.c starts: ranks CASE does what CASE says, together
// with the others, and exits with 0 if all was as it should be. For test_launch.c, ranks launch
// starts two of itself that count each other.
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/random.h"
#include "tests/sanitized.h"
#include "train/communicator.h"
#include "train/launch.h"

#if SANITIZED
// Open MPI leaks, and the names of its modules, by which that is told from leaks of ours, are lost
// when they are unloaded. They stay.
int dlclose(void *handle);
int dlclose(void *handle) {
    (void)handle;
    return 0;
}
#endif

// Both of silence and of standing still, for the cases that end by it.
static const double LIMIT_SECONDS = 2;

static void sleep_seconds(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

__attribute__((noreturn)) static void do_nothing(void) {
    for (;;)
        sleep_seconds(1);
}

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return error_set(err, STATUS_INTERNAL, "ranks.c:%d: not true: %s", __LINE__,           \
                             #condition);                                                          \
    } while (0)

// ---- Operations ----

// Lengths around the number of ranks, and around the length of the parts that travel.
static const int64_t LENGTHS[] = {1, 0, 2, 3, 4, 1001, 786431, 786433};
enum { NUM_LENGTHS = sizeof LENGTHS / sizeof LENGTHS[0] };

static struct random stream(int rank, int bucket) {
    return random_stream((uint64_t)rank, (uint64_t)bucket);
}

// The values of a bucket that rank contributes.
static float *make_bucket(struct arena *arena, int rank, int bucket) {
    float *values = arena_alloc(arena, LENGTHS[bucket], sizeof *values);
    struct random random = stream(rank, bucket);
    for (int64_t i = 0; i < LENGTHS[bucket]; i++)
        values[i] = (float)random_u32(&random) * 0x1p-31F - 1; // in [-1, 1]
    return values;
}

// The largest difference from sums in double precision.
static double largest_difference(struct arena *arena, const float *sums, int bucket, int size) {
    int64_t length = LENGTHS[bucket];
    struct arena_mark mark = arena_mark(arena);
    double *expected = arena_alloc_zero(arena, length, sizeof *expected);
    double largest = 0;
    for (int rank = 0; rank < size; rank++) {
        const float *values = make_bucket(arena, rank, bucket);
        for (int64_t i = 0; i < length; i++)
            expected[i] += (double)values[i];
    }
    for (int64_t i = 0; i < length; i++)
        largest = fmax(largest, fabs((double)sums[i] - expected[i]));
    arena_release(arena, mark);
    return largest;
}

// All buckets under way at once.
static enum status sums(struct communicator *communicator, struct error *err) {
    int size = communicator_size(communicator);
    struct arena arena;
    float *buckets[NUM_LENGTHS];
    uint64_t hash = HASH_START;
    arena_init(&arena, 1 << 20, 0);
    for (int i = 0; i < NUM_LENGTHS; i++) {
        buckets[i] = make_bucket(&arena, communicator_rank(communicator), i);
        communicator_sum_start(communicator, buckets[i], LENGTHS[i]);
    }
    TRY(communicator_sum_wait(communicator, err));
    for (int i = 0; i < NUM_LENGTHS; i++) {
        communicator_tick(communicator);
        EXPECT(largest_difference(&arena, buckets[i], i, size) < 4e-7);
        hash = hash_bytes(hash, buckets[i], (size_t)LENGTHS[i] * sizeof(float));
    }
    arena_destroy(&arena);
    // The same bits on all ranks: the hash is what rank 0 has.
    uint64_t first = hash;
    TRY(communicator_broadcast(communicator, &first, sizeof first, err));
    EXPECT(hash == first);
    return STATUS_OK;
}

// More than may be under way.
static enum status many(struct communicator *communicator, struct error *err) {
    enum { NUM_SUMS = 200 };
    float values[NUM_SUMS];
    int size = communicator_size(communicator);
    int times = size * (size + 1) / 2;
    for (int i = 0; i < NUM_SUMS; i++) {
        values[i] = (float)(i * (communicator_rank(communicator) + 1));
        communicator_sum_start(communicator, &values[i], 1);
    }
    TRY(communicator_sum_wait(communicator, err));
    for (int i = 0; i < NUM_SUMS; i++)
        EXPECT(values[i] == (float)(i * times));
    return STATUS_OK;
}

static enum status doubles(struct communicator *communicator, struct error *err) {
    int rank = communicator_rank(communicator);
    int size = communicator_size(communicator);
    int ranks = size * (size - 1) / 2;
    double values[3] = {1, rank, 0.1 * (rank + 1)};
    TRY(communicator_sum_doubles(communicator, values, 3, err));
    EXPECT(values[0] == size);
    EXPECT(values[1] == ranks);
    EXPECT(fabs(values[2] - 0.05 * size * (size + 1)) < 1e-15);
    return communicator_sum_doubles(communicator, NULL, 0, err);
}

static enum status broadcasts(struct communicator *communicator, struct error *err) {
    enum { SIZE = 3000000 };
    static unsigned char bytes[SIZE];
    bool first = communicator_rank(communicator) == 0;
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(first ? i % 251 : 0);
    TRY(communicator_broadcast(communicator, bytes, SIZE, err));
    for (int i = 0; i < SIZE; i++)
        EXPECT(bytes[i] == i % 251);
    return communicator_broadcast(communicator, NULL, 0, err);
}

// Rank r brings r x r x 100000 bytes of value r + 1: rank 0 none.
static enum status gathers(struct communicator *communicator, struct error *err) {
    int rank = communicator_rank(communicator);
    int64_t size = (int64_t)rank * rank * 100000;
    struct arena arena;
    struct communicator_part *parts;
    arena_init(&arena, 1 << 16, 0);
    char *bytes = arena_alloc(&arena, size, 1);
    memset(bytes, rank + 1, (size_t)size);
    TRY(communicator_gather(communicator, bytes, size, &arena, &parts, err));
    EXPECT((rank == 0) == (parts != NULL));
    for (int r = 0; parts && r < communicator_size(communicator); r++) {
        EXPECT(parts[r].size == (int64_t)r * r * 100000);
        for (int64_t i = 0; i < parts[r].size; i++)
            EXPECT(((char *)parts[r].bytes)[i] == r + 1);
    }
    arena_destroy(&arena);
    return STATUS_OK;
}

// Nobody leaves before the last one came.
static enum status barriers(struct communicator *communicator, struct error *err) {
    struct timespec times[2];
    if (communicator_rank(communicator) == 1) sleep_seconds(0.5);
    clock_gettime(CLOCK_MONOTONIC, &times[0]);
    TRY(communicator_barrier(communicator, err));
    clock_gettime(CLOCK_MONOTONIC, &times[1]);
    // One machine, one clock.
    double came = (double)times[0].tv_sec + (double)times[0].tv_nsec * 1e-9;
    double left = (double)times[1].tv_sec + (double)times[1].tv_nsec * 1e-9;
    struct arena arena;
    struct communicator_part *parts;
    arena_init(&arena, 1 << 10, 0);
    TRY(communicator_gather(communicator, &came, sizeof came, &arena, &parts, err));
    for (int r = 0; parts && r < communicator_size(communicator); r++)
        EXPECT(left >= *(double *)parts[r].bytes);
    arena_destroy(&arena);
    return STATUS_OK;
}

static enum status operations(struct communicator *communicator, struct error *err) {
    // All of them are on this machine.
    EXPECT(communicator_local_rank(communicator) == communicator_rank(communicator));
    TRY(sums(communicator, err));
    TRY(many(communicator, err));
    TRY(doubles(communicator, err));
    TRY(broadcasts(communicator, err));
    TRY(gathers(communicator, err));
    TRY(barriers(communicator, err));
    TRY(sums(communicator, err));
    if (communicator_rank(communicator) == 0)
        printf("%d ranks agree\n", communicator_size(communicator));
    return STATUS_OK;
}

// ---- Ends: somebody is not there when the others want a sum ----

static enum status want_sum(struct communicator *communicator, struct error *err) {
    float value = 1;
    communicator_sum_start(communicator, &value, 1);
    return communicator_sum_wait(communicator, err);
}

static enum status exits(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 1) _exit(7);
    return want_sum(communicator, err);
}

static enum status killed(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 1) raise(SIGKILL);
    return want_sum(communicator, err);
}

static enum status stopped(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 1) raise(SIGSTOP);
    return want_sum(communicator, err);
}

static enum status first_stopped(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 0) raise(SIGSTOP);
    return want_sum(communicator, err);
}

static enum status stuck(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 1) do_nothing();
    return want_sum(communicator, err);
}

static enum status first_stuck(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 0) do_nothing();
    return want_sum(communicator, err);
}

static enum status fails(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 1)
        return error_set(err, STATUS_DATA, "photo.jpg: this is no photo");
    return want_sum(communicator, err);
}

static enum status first_fails(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 0)
        return error_set(err, STATUS_DATA, "photo.jpg: this is no photo");
    return want_sum(communicator, err);
}

// Rank 0 is alive, but makes no call in which it could be told.
static enum status fails_unheard(struct communicator *communicator, struct error *err) {
    while (communicator_rank(communicator) == 0) {
        communicator_tick(communicator);
        sleep_seconds(0.1);
    }
    return fails(communicator, err);
}

// Everything is done when the last one fails.
static enum status fails_late(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) != 1) return STATUS_OK;
    sleep_seconds(0.5);
    return error_set(err, STATUS_DATA, "photo.jpg: this is no photo");
}

static enum status disagree(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 0) return communicator_barrier(communicator, err);
    return want_sum(communicator, err);
}

static enum status one_barrier_less(struct communicator *communicator, struct error *err) {
    return communicator_rank(communicator) == 1 ? STATUS_OK
                                                : communicator_barrier(communicator, err);
}

// ---- Slow, but alive ----

static enum status slow(struct communicator *communicator, struct error *err) {
    if (communicator_rank(communicator) == 1) {
        for (int i = 0; i < 50; i++) {
            communicator_tick(communicator);
            sleep_seconds(LIMIT_SECONDS / 20);
        }
        communicator_allow(communicator, 4 * LIMIT_SECONDS);
        sleep_seconds(2 * LIMIT_SECONDS);
    }
    TRY(want_sum(communicator, err));
    if (communicator_rank(communicator) == 0) printf("slow is not stuck\n");
    return STATUS_OK;
}

// What was allowed ends with the next tick.
static enum status allowed_once(struct communicator *communicator, struct error *err) {
    communicator_allow(communicator, 1000);
    communicator_tick(communicator);
    return stuck(communicator, err);
}

// ---- The program ----

static enum status count(struct communicator *communicator, struct error *err) {
    double sum = 1;
    TRY(communicator_sum_doubles(communicator, &sum, 1, err));
    if (communicator_rank(communicator) == 0) printf("%g processes\n", sum);
    return STATUS_OK;
}

static const struct {
    const char *name;
    enum status (*run)(struct communicator *communicator, struct error *err);
} CASES[] = {
    {"operations", operations},
    {"exits", exits},
    {"killed", killed},
    {"stopped", stopped},
    {"first_stopped", first_stopped},
    {"stuck", stuck},
    {"first_stuck", first_stuck},
    {"fails", fails},
    {"first_fails", first_fails},
    {"fails_unheard", fails_unheard},
    {"fails_late", fails_late},
    {"disagree", disagree},
    {"one_barrier_less", one_barrier_less},
    {"slow", slow},
    {"allowed_once", allowed_once},
    {"launch", count},
};

static enum status run(struct communicator *communicator, const char *name, struct error *err) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (strcmp(CASES[i].name, name) == 0) return CASES[i].run(communicator, err);
    return error_set(err, STATUS_USAGE, "no case %s", name);
}

// As a command does it: the first error goes to the others, and is printed when the communicator is
// closed.
static enum status take_part(const char *name, struct error *err) {
    struct log log = {LOG_INFO, STDERR_FILENO};
    struct communicator_options options = {.log = &log};
    if (strcmp(name, "operations") != 0)
        options.silent_seconds = options.stuck_seconds = LIMIT_SECONDS;
    struct communicator *communicator = NULL;
    enum status status = communicator_open(&communicator, &options, err);
    if (status == STATUS_OK) status = run(communicator, name, err);
    if (status != STATUS_OK && communicator) communicator_fail(communicator, err);
    enum status closed = communicator_close(communicator, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? closed : status;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    int code = EXIT_SUCCESS;
    struct error err = {0};
    enum status status = strcmp(name, "launch") == 0 && !communicator_is_launched()
                             ? launch(2, argv, &code, &err)
                             : take_part(name, &err);
    if (status == STATUS_OK) return code;
    fprintf(stderr, "ranks: %s\n", err.message);
    return 64 + (int)status;
}
