// What the two threads of a communicator share: the caller's, which asks for operations
// (train/communicator.c) and starts sums on a device (train/communicator_device.c), and the one
// that carries out the operations and watches all (train/communicator_mpi.c).
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "nn/cuda/collectives.h"
#include "train/communicator.h"

enum operation_kind {
    OPERATION_SUM,
    OPERATION_SUM_DOUBLES,
    OPERATION_BARRIER,
    OPERATION_BROADCAST,
    OPERATION_GATHER,
};

struct operation {
    enum operation_kind kind;
    void *data;
    int64_t count;       // of floats, doubles or bytes
    struct arena *arena; // OPERATION_GATHER
    struct communicator_part
        *parts; // OPERATION_GATHER on rank 0: one for each rank, its own filled
};

enum { MAX_OPERATIONS = 64 };

struct communicator {
    struct communicator_options options; // with the defaults filled in
    int rank;
    int size;
    int local_rank;
    int64_t promised; // processes that the launcher says there are; 0: it does not say

    bool threaded; // false: alone, and nothing below is used
    pthread_t thread;
    pthread_mutex_t mutex; // guards everything from here to failure
    pthread_cond_t changed;
    struct operation operations[MAX_OPERATIONS]; // operation i is at i % MAX_OPERATIONS
    int64_t started;                             // how many were asked for
    int64_t finished;                            // how many of these are done
    bool open;                                   // rank and size are known
    bool waiting;                                // the caller is in a call
    bool summing;                                // and waits for a sum on a device
    bool closing;                                // no more operations will come
    bool complaining;                            // complaint is there to be sent
    bool failed;                                 // failure is there, no operation will be done
    struct error complaint;
    struct error failure;
    struct collectives *collectives; // what connects the devices; NULL: nothing, ever
    bool on_device;                  // it is that which sums
    char library[NCCL_NAME_BYTES];
    struct error device_failure; // of a sum that could not be started; the caller's thread's alone

    atomic_int_least64_t ticks;
    atomic_int_least64_t allowed_ms; // until the next tick; 0: as usual
};

// The body of the communicator's thread. Sets open or failed, carries out operations until closing
// or failed, and spreads failures.
void *communicator_thread(void *communicator);

// ---- For the caller's thread (train/communicator_device.c) ----

// Of a communicator that is on_device.
void device_sum_start(struct communicator *communicator, float *values, int64_t count);
MUST_CHECK enum status device_sum_wait(struct communicator *communicator, struct error *err);

// ---- For the communicator's thread (train/communicator_device.c) ----

// Of a communicator that is on_device: what has failed there meanwhile.
MUST_CHECK enum status device_look(struct communicator *communicator, struct error *err);

// Ends sums on the device for good. False if they do not end: then the device may never be free.
bool device_end(struct communicator *communicator);

// The failure of a communicator that failed.
enum status communicator_failure(const struct communicator *communicator, struct error *err);
