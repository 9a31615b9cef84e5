// This process among the others of one run: sums of gradients, agreement on numbers, and an end for
// all of them when one fails.
//
// The processes are started by mpirun, srun or anything else that MPI knows; a process that nobody
// started so is alone, everything below is then done without a wait and MPI is not touched. One
// thread of the communicator makes all calls of MPI, so that sums go on while the caller computes.
// All functions are for the one thread that opened the communicator.
//
// All processes make the same calls in the same order. Nobody waits for ever: a process that dies
// is noticed by whoever started it; one that is stopped, unreachable or makes no progress is
// noticed by the others (train/communicator_watch.h); one that fails says so with
// communicator_fail. From then on every call of every process returns that one error, which names
// the rank, and all ends like this: rank 0 saves what it has to save, closes and exits with a code
// that is not 0, by which the others are ended. Where rank 0 cannot, a process writes the error to
// the log and ends all.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"

struct communicator;
struct nn;

struct communicator_options {
    const struct log *log; // where a process that has to end all says why; NULL: nowhere
    double silent_seconds; // so long unheard of, a process counts as gone; 0: 20 s
    double stuck_seconds;  // so long without a tick, a process counts as stuck; 0: 20 s
};

// One process's bytes of a gather.
struct communicator_part {
    void *bytes;
    int64_t size;
};

// Whether a launcher (mpirun, srun) started this process as one of several, or may have.
bool communicator_is_launched(void);

// Joins the processes of this run, if communicator_is_launched. STATUS_USAGE if
// a launcher started several processes without telling them about each other. *communicator is the
// caller's to close, after an error too.
MUST_CHECK enum status communicator_open(struct communicator **communicator,
                                         const struct communicator_options *options,
                                         struct error *err);

// Waits until all processes close, and leaves. After a failure, which it returns like all others,
// that is at once on rank 0, which must then exit with a code that is not 0, and on the other ranks
// never: they are ended. NULL is fine.
enum status communicator_close(struct communicator *communicator, struct error *err);

int communicator_rank(const struct communicator *communicator); // 0..size-1
int communicator_size(const struct communicator *communicator); // how many processes there are
// How many processes of lower rank run on the same machine.
int communicator_local_rank(const struct communicator *communicator);

// Has sums of floats computed on the device of nn from here on, where the floats lie, by NCCL: if
// all processes have NCCL and a device of their own, and a trial sum is right. If not, sums go on
// as before, and why says why; its code is STATUS_OK if they are computed on the device, if that is
// the processor anyway and if the process is alone. nn must outlive the communicator.
MUST_CHECK enum status communicator_use_device(struct communicator *communicator, struct nn *nn,
                                               struct error *why, struct error *err);
// What sums on the device, "NCCL 2.28.9"; NULL if nothing does.
const char *communicator_device_library(const struct communicator *communicator);

// Starts the sum of values over all processes, in place and in the background. values must be left
// alone until communicator_sum_wait, and after a failure must live until the process ends. The
// result is the same, bit for bit, on all ranks and in every run with as many of them. Waits only
// if 64 sums are under way. Errors are for communicator_sum_wait.
//
// On a device values lie where that reaches them and what was launched so far may still compute
// them; the device then sums beside what is launched next.
void communicator_sum_start(struct communicator *communicator, float *values, int64_t count);

// Waits for all sums that were started. On a device, what is launched from here on comes after
// them.
MUST_CHECK enum status communicator_sum_wait(struct communicator *communicator, struct error *err);

// The same in one call, for a few numbers: losses, counts, flags.
MUST_CHECK enum status communicator_sum_doubles(struct communicator *communicator, double *values,
                                                int64_t count, struct error *err);

// Waits until all processes are here.
MUST_CHECK enum status communicator_barrier(struct communicator *communicator, struct error *err);

// Gives everybody the bytes of rank 0; size is the same on all ranks.
MUST_CHECK enum status communicator_broadcast(struct communicator *communicator, void *bytes,
                                              int64_t size, struct error *err);

// Brings the bytes of all processes to rank 0, each has as many as it likes. There *parts is an
// array with a part for each rank, which lives in arena together with the bytes; elsewhere NULL.
MUST_CHECK enum status communicator_gather(struct communicator *communicator, const void *bytes,
                                           int64_t size, struct arena *arena,
                                           struct communicator_part **parts, struct error *err);

// This process cannot go on, for the reason in err: ends all. The others' calls return err's code
// and its message behind this rank; so do this process's own. Returns when rank 0 was told.
void communicator_fail(struct communicator *communicator, const struct error *err);

// "I am alive": to be called by anything that may take long, as often as it likes. The calls above
// do so themselves; whoever waits in one of them is not the one that is stuck. Safe from any
// thread.
void communicator_tick(struct communicator *communicator);

// From here to the next tick it may take so many seconds, where that is more than stuck_seconds:
// for a single call that cannot tick, as the sync of a file. Safe from any thread.
void communicator_allow(struct communicator *communicator, double seconds);
