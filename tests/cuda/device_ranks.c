// One of the processes that test_collectives.c starts: device_ranks CASE does what CASE says, on a
// device, together with the others, and exits with 0 if all was as it should be. device_ranks alone
// needs no others.
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/random.h"
#include "nn/cuda/collectives.h"
#include "nn/cuda/module.h"
#include "train/communicator.h"

// Of silence and of standing still.
static const double LIMIT_SECONDS = 2;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return error_set(err, STATUS_INTERNAL, "device_ranks.c:%d: not true: %s", __LINE__,    \
                             #condition);                                                          \
    } while (0)

struct process {
    struct communicator *communicator;
    struct nn *nn;
};

// Lengths around those of the pieces that travel.
static const int64_t LENGTHS[] = {1, 0, 2, 1001, 16384, 16385, 100000};
enum { NUM_BUCKETS = sizeof LENGTHS / sizeof LENGTHS[0], LONGEST = 100000 };

// The values of a bucket that rank contributes.
static void draw(float values[LONGEST], int rank, int bucket) {
    struct random random = random_stream((uint64_t)rank, (uint64_t)bucket);
    for (int64_t i = 0; i < LENGTHS[bucket]; i++)
        values[i] = (float)random_u32(&random) * 0x1p-31F - 1; // in [-1, 1]
}

// The largest difference from sums in double precision.
static double largest_difference(const float *sums, int bucket, int size) {
    static double expected[LONGEST];
    static float values[LONGEST];
    double largest = 0;
    memset(expected, 0, sizeof expected);
    for (int rank = 0; rank < size; rank++) {
        draw(values, rank, bucket);
        for (int64_t i = 0; i < LENGTHS[bucket]; i++)
            expected[i] += (double)values[i];
    }
    for (int64_t i = 0; i < LENGTHS[bucket]; i++)
        largest = fmax(largest, fabs((double)sums[i] - expected[i]));
    return largest;
}

// In the program's memory and in the device's.
struct bucket {
    float *here;
    void *there;
    int64_t bytes;
};

// The device has yet to come to the values when it is asked for their sum; MPI sums the program's.
static void start_sums(const struct process *p, const struct bucket buckets[NUM_BUCKETS]) {
    for (int i = 0; i < NUM_BUCKETS; i++) {
        const struct bucket *b = &buckets[i];
        draw(b->here, communicator_rank(p->communicator), i);
        cuda_transfer(p->nn, b->there, b->here, b->bytes);
        bool on_device = communicator_device_library(p->communicator) != NULL;
        communicator_sum_start(p->communicator, on_device ? b->there : b->here, LENGTHS[i]);
    }
}

static enum status sum_buckets(const struct process *p, const struct bucket buckets[NUM_BUCKETS],
                               struct error *err) {
    start_sums(p, buckets);
    TRY(communicator_sum_wait(p->communicator, err));
    for (int i = 0; i < NUM_BUCKETS && communicator_device_library(p->communicator); i++)
        cuda_transfer(p->nn, buckets[i].here, buckets[i].there, buckets[i].bytes);
    TRY(nn_status(p->nn, err));
    uint64_t hash = HASH_START;
    for (int i = 0; i < NUM_BUCKETS; i++) {
        const float *sums = buckets[i].here;
        double difference = largest_difference(sums, i, communicator_size(p->communicator));
        EXPECT(difference < 4e-7);
        hash = hash_bytes(hash, sums, (size_t)buckets[i].bytes);
    }
    // The same bits on all ranks: the hash is what rank 0 has.
    uint64_t first = hash;
    TRY(communicator_broadcast(p->communicator, &first, sizeof first, err));
    EXPECT(hash == first);
    return STATUS_OK;
}

// Several times, as steps do.
static enum status sums(const struct process *p, struct error *err) {
    enum { TIMES = 3 };
    static float values[NUM_BUCKETS][LONGEST];
    struct bucket buckets[NUM_BUCKETS];
    for (int i = 0; i < NUM_BUCKETS; i++) {
        buckets[i] = (struct bucket){values[i], NULL, LENGTHS[i] * (int64_t)sizeof(float)};
        TRY(cuda_allocate(p->nn, buckets[i].bytes, &buckets[i].there, err));
    }
    for (int i = 0; i < TIMES; i++)
        TRY(sum_buckets(p, buckets, err));
    if (communicator_rank(p->communicator) == 0)
        printf("%d ranks agree\n", communicator_size(p->communicator));
    return STATUS_OK;
}

// ---- Ends: somebody is not there when the others want a sum ----

__attribute__((noreturn)) static void do_nothing(void) {
    for (;;)
        pause();
}

static enum status killed(const struct process *p, struct error *err) {
    if (communicator_rank(p->communicator) == 1) raise(SIGKILL);
    return sums(p, err);
}

static enum status stopped(const struct process *p, struct error *err) {
    if (communicator_rank(p->communicator) == 1) raise(SIGSTOP);
    return sums(p, err);
}

static enum status stuck(const struct process *p, struct error *err) {
    if (communicator_rank(p->communicator) == 1) do_nothing();
    return sums(p, err);
}

static enum status fails(const struct process *p, struct error *err) {
    if (communicator_rank(p->communicator) == 1)
        return error_set(err, STATUS_DATA, "photo.jpg: this is no photo");
    return sums(p, err);
}

// ---- Alone ----

static enum status settle(struct collectives *collectives, struct error *err) {
    bool settled = false;
    while (!settled)
        TRY(collectives_is_settled(collectives, &settled, err));
    return STATUS_OK;
}

static enum status connect_alone(struct collectives **collectives, struct nn *nn,
                                 struct error *err) {
    struct nccl_id id;
    TRY(collectives_open(collectives, nn, err));
    TRY(collectives_make_id(*collectives, &id, err));
    TRY(collectives_connect(*collectives, &id, 0, 1, err));
    return settle(*collectives, err);
}

// What a wait for the kernels shows is the sum, not only the values that went in.
static enum status sum_alone(struct collectives *collectives, struct nn *nn, float *bucket,
                             struct error *err) {
    static float values[LONGEST];
    static float sums[LONGEST];
    bool done = false;
    draw(values, 0, NUM_BUCKETS - 1);
    cuda_transfer(nn, bucket, values, (int64_t)sizeof values);
    TRY(collectives_sum(collectives, bucket, LONGEST, err));
    TRY(settle(collectives, err));
    TRY(collectives_lead(collectives, err));
    cuda_transfer(nn, sums, bucket, (int64_t)sizeof sums);
    TRY(nn_status(nn, err));
    TRY(collectives_is_done(collectives, &done, err));
    EXPECT(done);
    for (int64_t i = 0; i < LONGEST; i++)
        EXPECT(sums[i] == values[i]);
    return collectives_check(collectives, err);
}

static enum status alone(struct error *err) {
    struct nn *nn = NULL;
    struct collectives *collectives = NULL;
    void *memory = NULL;
    const struct nn_options options = {.device = NN_CUDA, .memory_bytes = 1 << 20};
    TRY(nn_create(&nn, &options, err));
    TRY(cuda_allocate(nn, LONGEST * (int64_t)sizeof(float), &memory, err));
    TRY(connect_alone(&collectives, nn, err));
    for (int i = 0; i < 3; i++)
        TRY(sum_alone(collectives, nn, memory, err));
    collectives_leave(collectives);
    collectives_close(collectives);
    // And again, with the end that comes when something is wrong.
    TRY(connect_alone(&collectives, nn, err));
    TRY(sum_alone(collectives, nn, memory, err));
    EXPECT(collectives_abort(collectives, 10));
    EXPECT(collectives_sum(collectives, memory, LONGEST, err) == STATUS_DEVICE);
    collectives_close(collectives);
    nn_destroy(nn);
    printf("alone\n");
    return STATUS_OK;
}

// ---- The program ----

static const struct {
    const char *name;
    enum status (*run)(const struct process *process, struct error *err);
} CASES[] = {{"sums", sums},       {"hurt", sums},   {"share", sums}, {"killed", killed},
             {"stopped", stopped}, {"stuck", stuck}, {"fails", fails}};

static enum status run(const struct process *process, const char *name, struct error *err) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (strcmp(CASES[i].name, name) == 0) return CASES[i].run(process, err);
    return error_set(err, STATUS_USAGE, "no case %s", name);
}

static enum status use_device(struct process *p, bool share, struct error *err) {
    struct error why;
    const struct nn_options options = {
        .device = NN_CUDA,
        .device_number = share ? 0 : communicator_local_rank(p->communicator),
        .memory_bytes = 1 << 20,
    };
    TRY(nn_create(&p->nn, &options, err));
    TRY(communicator_use_device(p->communicator, p->nn, &why, err));
    const char *library = communicator_device_library(p->communicator);
    EXPECT((library == NULL) == (why.code != STATUS_OK));
    if (communicator_rank(p->communicator) == 0) printf("by %s\n", library ? library : why.message);
    fflush(stdout);
    return STATUS_OK;
}

// As a command does it: the first error goes to the others, and is printed when the communicator is
// closed.
static enum status take_part(const char *name, struct error *err) {
    struct process process = {0};
    struct log log = {LOG_INFO, STDERR_FILENO};
    struct communicator_options options = {.log = &log};
    if (strcmp(name, "sums") != 0) options.silent_seconds = options.stuck_seconds = LIMIT_SECONDS;
    enum status status = communicator_open(&process.communicator, &options, err);
    if (status == STATUS_OK) status = use_device(&process, strcmp(name, "share") == 0, err);
    if (status == STATUS_OK) status = run(&process, name, err);
    if (status != STATUS_OK && process.communicator) communicator_fail(process.communicator, err);
    enum status closed = communicator_close(process.communicator, status == STATUS_OK ? err : NULL);
    nn_destroy(process.nn);
    return status == STATUS_OK ? closed : status;
}

int main(int argc, char **argv) {
    struct error err = {0};
    const char *name = argc > 1 ? argv[1] : "";
    enum status status = strcmp(name, "alone") == 0 ? alone(&err) : take_part(name, &err);
    if (status == STATUS_OK) return EXIT_SUCCESS;
    fprintf(stderr, "device_ranks: %s\n", err.message);
    return 64 + (int)status;
}
