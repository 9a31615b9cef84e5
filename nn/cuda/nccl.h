// NCCL's functions, from libnccl.so.2, which is opened when processes want to sum on their devices:
// neither the program nor the CUDA module is built with it. What is declared here is what nccl.h
// says since version 2.14, which later libraries keep to (tests/cuda/nccl_header.c compares).
#pragma once

#include <stddef.h>

#include "base/error.h"

enum nccl_result {
    NCCL_SUCCESS = 0,
    NCCL_UNHANDLED_CUDA_ERROR = 1,
    NCCL_SYSTEM_ERROR = 2,
    NCCL_INTERNAL_ERROR = 3,
    NCCL_INVALID_ARGUMENT = 4,
    NCCL_INVALID_USAGE = 5,
    NCCL_REMOTE_ERROR = 6,
    NCCL_IN_PROGRESS = 7,
};

enum { NCCL_ID_BYTES = 128, NCCL_NAME_BYTES = 32, NCCL_SUM = 0, NCCL_FLOAT32 = 7 };

struct nccl_comm; // NCCL's communicator

struct nccl_id {
    char bytes[NCCL_ID_BYTES];
};

// Its beginning, which is all that a library is told by its size and version.
struct nccl_config {
    size_t size;
    unsigned magic;
    unsigned version;
    int blocking;
};

// Found in the library, and never linked. What returns NCCL_IN_PROGRESS goes on in the background:
// until ncclCommGetAsyncError says otherwise, that and ncclCommAbort are all that may be called.
// stream is a cudaStream_t.
enum nccl_result ncclGetVersion(int *version);
const char *ncclGetErrorString(enum nccl_result result);
const char *ncclGetLastError(struct nccl_comm *comm);
enum nccl_result ncclGetUniqueId(struct nccl_id *id);
enum nccl_result ncclCommInitRankConfig(struct nccl_comm **comm, int size, struct nccl_id id,
                                        int rank, struct nccl_config *config);
enum nccl_result ncclCommGetAsyncError(struct nccl_comm *comm, enum nccl_result *result);
enum nccl_result ncclAllReduce(const void *from, void *to, size_t count, int type, int operation,
                               struct nccl_comm *comm, void *stream);
enum nccl_result ncclCommFinalize(struct nccl_comm *comm);
enum nccl_result ncclCommDestroy(struct nccl_comm *comm);
enum nccl_result ncclCommAbort(struct nccl_comm *comm);

#define NCCL_FUNCTIONS(F)                                                                          \
    F(ncclGetVersion)                                                                              \
    F(ncclGetErrorString)                                                                          \
    F(ncclGetLastError)                                                                            \
    F(ncclGetUniqueId)                                                                             \
    F(ncclCommInitRankConfig)                                                                      \
    F(ncclCommGetAsyncError)                                                                       \
    F(ncclAllReduce)                                                                               \
    F(ncclCommFinalize)                                                                            \
    F(ncclCommDestroy)                                                                             \
    F(ncclCommAbort)

struct nccl {
    int version; // 22809 for 2.28.9
#define DECLARE(name) __typeof__(name) *(name);
    NCCL_FUNCTIONS(DECLARE)
#undef DECLARE
};

// path NULL: where libraries are looked for. Stays open, as the library has threads of its own.
MUST_CHECK enum status nccl_open(struct nccl *nccl, const char *path, struct error *err);

// "NCCL 2.28.9"
void nccl_name(const struct nccl *nccl, char name[NCCL_NAME_BYTES]);

// That processes do not wait for each other in calls, but ask.
struct nccl_config nccl_config_without_waiting(void);

// STATUS_OK for NCCL_SUCCESS and NCCL_IN_PROGRESS; else what NCCL says, as one sentence. comm may
// be NULL.
MUST_CHECK enum status nccl_status(const struct nccl *nccl, struct nccl_comm *comm,
                                   enum nccl_result result, const char *what, struct error *err);
