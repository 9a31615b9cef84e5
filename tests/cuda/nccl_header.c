// Compiles only if nn/cuda/nccl.h says of NCCL what NCCL's own header says.
#define ncclGetVersion         theirs_version
#define ncclGetErrorString     theirs_error_string
#define ncclGetLastError       theirs_last_error
#define ncclGetUniqueId        theirs_unique_id
#define ncclCommInitRankConfig theirs_init
#define ncclCommGetAsyncError  theirs_async_error
#define ncclAllReduce          theirs_all_reduce
#define ncclCommFinalize       theirs_finalize
#define ncclCommDestroy        theirs_destroy
#define ncclCommAbort          theirs_abort
#include <nccl.h>
#undef ncclGetVersion
#undef ncclGetErrorString
#undef ncclGetLastError
#undef ncclGetUniqueId
#undef ncclCommInitRankConfig
#undef ncclCommGetAsyncError
#undef ncclAllReduce
#undef ncclCommFinalize
#undef ncclCommDestroy
#undef ncclCommAbort

#include "nn/cuda/nccl.h"

#define SAME(ours, theirs) _Static_assert((long long)(ours) == (long long)(theirs), #theirs)

SAME(NCCL_SUCCESS, ncclSuccess);
SAME(NCCL_UNHANDLED_CUDA_ERROR, ncclUnhandledCudaError);
SAME(NCCL_SYSTEM_ERROR, ncclSystemError);
SAME(NCCL_INTERNAL_ERROR, ncclInternalError);
SAME(NCCL_INVALID_ARGUMENT, ncclInvalidArgument);
SAME(NCCL_INVALID_USAGE, ncclInvalidUsage);
SAME(NCCL_REMOTE_ERROR, ncclRemoteError);
SAME(NCCL_IN_PROGRESS, ncclInProgress);
SAME(NCCL_SUM, ncclSum);
SAME(NCCL_FLOAT32, ncclFloat32);
SAME(sizeof(struct nccl_id), sizeof(ncclUniqueId));
SAME(sizeof(enum nccl_result), sizeof(ncclResult_t));
SAME(sizeof(int), sizeof(ncclDataType_t));
SAME(sizeof(int), sizeof(ncclRedOp_t));
SAME(offsetof(struct nccl_config, size), offsetof(ncclConfig_t, size));
SAME(offsetof(struct nccl_config, magic), offsetof(ncclConfig_t, magic));
SAME(offsetof(struct nccl_config, version), offsetof(ncclConfig_t, version));
SAME(offsetof(struct nccl_config, blocking), offsetof(ncclConfig_t, blocking));
// Arguments, in their order: by pointer or in a register, each as wide as theirs.
_Static_assert(_Generic(theirs_version, ncclResult_t (*)(int *) : 1, default : 0), "version");
_Static_assert(_Generic(theirs_unique_id, ncclResult_t (*)(ncclUniqueId *) : 1, default : 0), "id");
_Static_assert(_Generic(theirs_init,
                        ncclResult_t (*)(ncclComm_t *, int, ncclUniqueId, int, ncclConfig_t *) : 1,
                        default : 0),
               "init");
_Static_assert(_Generic(theirs_async_error, ncclResult_t (*)(ncclComm_t, ncclResult_t *) : 1,
                        default : 0),
               "async error");
_Static_assert(_Generic(theirs_all_reduce,
                        ncclResult_t (*)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t,
                                         ncclComm_t, cudaStream_t) : 1,
                        default : 0),
               "all reduce");
