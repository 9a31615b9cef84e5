// Sums over the devices of several processes, by NCCL, on a stream beside that of the kernels: they
// go on while the device computes, and nothing is copied to the program's memory.
//
//     TRY(collectives_open(&c, nn, err));
//     TRY(collectives_make_id(c, &id, err));           // one process, for all of them
//     TRY(collectives_connect(c, &id, rank, size, err));
//     TRY(collectives_sum(c, values, count, err));     // of what was launched before
//     TRY(collectives_lead(c, err));                   // launched from here on: what uses the sums
//
// After connect and sum, collectives_is_settled is asked until it says yes. All processes make the
// same calls. None of them waits for another process; the functions are for the thread that uses
// nn, except for the two that say so.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nn/cuda/nccl.h"
#include "nn/nn.h"

enum { COLLECTIVES_PLACE_BYTES = 32 };

struct collectives;

// Opens NCCL, and a stream on the device of nn, which is on NN_CUDA. STATUS_DEVICE, with one
// sentence, if NCCL is not there. *collectives is the caller's to close, after an error too.
MUST_CHECK enum status collectives_open(struct collectives **collectives, struct nn *nn,
                                        struct error *err);

// "NCCL 2.28.9"
void collectives_name(const struct collectives *collectives, char name[NCCL_NAME_BYTES]);

// Where on its machine the device is: two processes of a machine that have the same text share one,
// which NCCL refuses.
MUST_CHECK enum status collectives_place(const struct collectives *collectives,
                                         char place[COLLECTIVES_PLACE_BYTES], struct error *err);

MUST_CHECK enum status collectives_make_id(struct collectives *collectives, struct nccl_id *id,
                                           struct error *err);

// Starts to look for the other processes.
MUST_CHECK enum status collectives_connect(struct collectives *collectives,
                                           const struct nccl_id *id, int rank, int size,
                                           struct error *err);

// Starts a sum, in place, of floats in memory that the device reaches, which what was launched so
// far may still compute. Nothing else may use them until collectives_lead.
MUST_CHECK enum status collectives_sum(struct collectives *collectives, float *values,
                                       int64_t count, struct error *err);

// Whether what was started last is done (connect) or under way (sum).
MUST_CHECK enum status collectives_is_settled(struct collectives *collectives, bool *settled,
                                              struct error *err);

// What is launched from here on comes after all sums so far.
MUST_CHECK enum status collectives_lead(struct collectives *collectives, struct error *err);

// Whether the sums are done that the last collectives_lead was about.
MUST_CHECK enum status collectives_is_done(struct collectives *collectives, bool *done,
                                           struct error *err);

// What has failed meanwhile, if anything has. From any thread.
MUST_CHECK enum status collectives_check(struct collectives *collectives, struct error *err);

// Ends whatever is under way, for good; the values of sums are lost. False if that takes longer
// than so many seconds: then the device may never be free again. From any thread.
bool collectives_abort(struct collectives *collectives, double seconds);

// All processes leave, at the same time, when nothing is under way.
void collectives_leave(struct collectives *collectives);

// NULL is fine.
void collectives_close(struct collectives *collectives);
