// cuDNN's functions, from libcudnn.so.9, which is opened when a device is: a program is built
// without it, and where it is missing that is one sentence.
#pragma once

#include <cudnn_graph.h>

#include "base/error.h"

#define CUDNN_FUNCTIONS(F)                                                                         \
    F(cudnnGetVersion)                                                                             \
    F(cudnnGetErrorString)                                                                         \
    F(cudnnGetLastErrorString)                                                                     \
    F(cudnnCreate)                                                                                 \
    F(cudnnDestroy)                                                                                \
    F(cudnnSetStream)                                                                              \
    F(cudnnBackendCreateDescriptor)                                                                \
    F(cudnnBackendDestroyDescriptor)                                                               \
    F(cudnnBackendFinalize)                                                                        \
    F(cudnnBackendSetAttribute)                                                                    \
    F(cudnnBackendGetAttribute)                                                                    \
    F(cudnnBackendExecute)

struct cudnn {
#define DECLARE(name) __typeof__(name) *(name);
    CUDNN_FUNCTIONS(DECLARE)
#undef DECLARE
};

// Stays open: the library has threads of its own.
MUST_CHECK enum status cudnn_open(struct cudnn *cudnn, struct error *err);

// What cuDNN says of its last failure on this thread, or else of status, as one line.
void cudnn_failure(const struct cudnn *cudnn, cudnnStatus_t status, char *text, size_t bytes);
