#include "nn/cuda/nccl.h"

#include <dlfcn.h>
#include <stdio.h>

#include "base/symbol.h"

static const char LIBRARY[] = "libnccl.so.2";

enum {
    OLDEST_VERSION = 22000,
    CONFIG_VERSION = 21400, // whose struct that is
};
static const unsigned CONFIG_MAGIC = 0xcafebeef;

enum status nccl_open(struct nccl *nccl, const char *path, struct error *err) {
    if (!path) path = LIBRARY;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(err, STATUS_DEVICE,
                         "NCCL: cannot open %s; install NCCL 2, or name its folder in "
                         "LD_LIBRARY_PATH",
                         dlerror());
#define FIND(name)                                                                                 \
    if (!symbol_find(library, #name, &nccl->name))                                                 \
        return error_set(err, STATUS_DEVICE, "NCCL: %s has no " #name, path);
    NCCL_FUNCTIONS(FIND)
#undef FIND
    TRY(nccl_status(nccl, NULL, nccl->ncclGetVersion(&nccl->version), "its version", err));
    if (nccl->version >= OLDEST_VERSION) return STATUS_OK;
    return error_set(err, STATUS_DEVICE, "NCCL: %s is version %d.%d, expected 2.20 or later", path,
                     nccl->version / 10000, nccl->version / 100 % 100);
}

void nccl_name(const struct nccl *nccl, char name[NCCL_NAME_BYTES]) {
    snprintf(name, NCCL_NAME_BYTES, "NCCL %d.%d.%d", nccl->version / 10000,
             nccl->version / 100 % 100, nccl->version % 100);
}

struct nccl_config nccl_config_without_waiting(void) {
    return (struct nccl_config){sizeof(struct nccl_config), CONFIG_MAGIC, CONFIG_VERSION, 0};
}

enum status nccl_status(const struct nccl *nccl, struct nccl_comm *comm, enum nccl_result result,
                        const char *what, struct error *err) {
    if (result == NCCL_SUCCESS || result == NCCL_IN_PROGRESS) return STATUS_OK;
    const char *detail = nccl->ncclGetLastError(comm);
    error_set(err, STATUS_DEVICE, "NCCL: %s: %s%s%s", what, nccl->ncclGetErrorString(result),
              detail && detail[0] ? ": " : "", detail ? detail : "");
    for (char *c = err ? err->message : ""; *c; c++)
        if (*c == '\n') *c = ' ';
    return STATUS_DEVICE;
}
