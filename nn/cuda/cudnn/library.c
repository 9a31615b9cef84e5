#include "nn/cuda/cudnn/library.h"

#include <dlfcn.h>
#include <stdio.h>

#include "base/symbol.h"

static const char LIBRARY[] = "libcudnn.so.9";
static const size_t OLDEST_VERSION = 90800; // the first that plans from a device's properties

enum status cudnn_open(struct cudnn *cudnn, struct error *err) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(err, STATUS_DEVICE,
                         "cuDNN: cannot open %s; install cuDNN 9, or name its folder in "
                         "LD_LIBRARY_PATH",
                         dlerror());
#define FIND(name)                                                                                 \
    if (!symbol_find(library, #name, &cudnn->name))                                                \
        return error_set(err, STATUS_DEVICE, "cuDNN: %s has no " #name, LIBRARY);
    CUDNN_FUNCTIONS(FIND)
#undef FIND
    size_t version = cudnn->cudnnGetVersion();
    if (version >= OLDEST_VERSION) return STATUS_OK;
    return error_set(err, STATUS_DEVICE, "cuDNN: %s is version %zu.%zu, expected 9.8 or later",
                     LIBRARY, version / 10000, version / 100 % 100);
}

void cudnn_failure(const struct cudnn *cudnn, cudnnStatus_t status, char *text, size_t bytes) {
    text[0] = 0;
    cudnn->cudnnGetLastErrorString(text, bytes);
    if (!text[0]) snprintf(text, bytes, "%s", cudnn->cudnnGetErrorString(status));
    for (char *c = text; *c; c++)
        if (*c == '\n') *c = ' ';
}
