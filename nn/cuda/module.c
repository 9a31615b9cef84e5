#include "nn/cuda/module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "nn/cuda/backend.h"

static const char MODULE_NAME[] = "gctmask-cuda.so";

// ---- Services ----

static void fail(struct nn *nn, enum status code, const char *message) {
    nn_fail(nn, code, "%s", message);
}

static const struct cuda_services SERVICES = {nn_scratch, nn_scratch_free, nn_grad, fail};

// ---- Opening ----

// The folder of the program, or of the shared library that this code is part of, with a slash.
static void own_folder(char *folder, size_t bytes) {
    Dl_info info;
    folder[0] = 0;
    if (!dladdr((const void *)MODULE_NAME, &info) || !info.dli_fname) return;
    const char *slash = strrchr(info.dli_fname, '/');
    if (!slash || (size_t)(slash - info.dli_fname) + 1 >= bytes) return;
    size_t size = (size_t)(slash - info.dli_fname) + 1;
    memcpy(folder, info.dli_fname, size);
    folder[size] = 0;
}

// NULL, with err, if there is none that fits.
static const struct cuda_backend *load(const char *path, struct error *err) {
    enum { PATH_BYTES = 4096 };
    char folder[PATH_BYTES];
    char beside[PATH_BYTES + sizeof MODULE_NAME];
    if (!path) {
        own_folder(folder, sizeof folder);
        snprintf(beside, sizeof beside, "%s%s", folder, MODULE_NAME);
        path = beside;
    }
    // Never closed again: the runtime in it has threads of its own.
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        error_set(err, STATUS_DEVICE, "CUDA: cannot open %s", dlerror());
        return NULL;
    }
    void *symbol = dlsym(module, CUDA_BACKEND_FUNCTION);
    if (!symbol) {
        error_set(err, STATUS_DEVICE, "CUDA: %s is not a module of this program", path);
        return NULL;
    }
    // A pointer to a function comes as one to data, which ISO C does not convert.
    cuda_backend_function *function = NULL;
    memcpy(&function, &symbol, sizeof function);
    const struct cuda_backend *backend = function();
    if (backend->layout == cuda_backend_layout()) return backend;
    error_set(err, STATUS_DEVICE, "CUDA: %s belongs to another version of this program", path);
    return NULL;
}

enum status cuda_open(struct nn *nn, const char *path, int number, struct error *err) {
    if (nn->precision != NN_FLOAT32)
        return error_set(err, STATUS_UNSUPPORTED,
                         "CUDA: precision bfloat16 is not there yet; use float32");
    const struct cuda_backend *backend = load(path, err);
    if (!backend) return STATUS_DEVICE;
    struct cuda *cuda = malloc(sizeof *cuda);
    if (!cuda) return error_memory(err, "a device's context", sizeof *cuda);
    *cuda = (struct cuda){backend, &SERVICES, NULL};
    nn->cuda = cuda;
    return backend->open(&cuda->device, number, err);
}

void cuda_close(struct nn *nn) {
    if (!nn->cuda) return;
    if (nn->memory) nn->cuda->backend->release(nn->cuda->device, nn->memory);
    nn->memory = NULL;
    nn->cuda->backend->close(nn->cuda->device);
    free(nn->cuda);
    nn->cuda = NULL;
}

enum status cuda_map_memory(struct nn *nn, int64_t bytes, struct error *err) {
    const struct cuda *cuda = nn->cuda;
    if (bytes == 0) bytes = cuda->backend->memory_bytes(cuda->device);
    bytes = (bytes + HEAP_ALIGNMENT - 1) / HEAP_ALIGNMENT * HEAP_ALIGNMENT;
    void *memory = NULL;
    TRY(cuda->backend->allocate(cuda->device, bytes, &memory, err));
    nn->memory = memory;
    return heap_create(&nn->heap, bytes, err);
}

// ---- Running ----

static void synchronise(struct nn *nn, const struct call *call) {
    struct error err;
    if (nn->cuda->backend->synchronise(nn->cuda->device, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", call->label ? call->label : op_name(call->op), err.message);
}

void cuda_forward(struct nn *nn, struct call *call) {
    nn->cuda->backend->kernels[call->op].forward(nn, call);
    synchronise(nn, call);
}

void cuda_backward(struct nn *nn, struct call *call) {
    CHECK(nn->cuda->backend->kernels[call->op].backward);
    nn->cuda->backend->kernels[call->op].backward(nn, call);
    synchronise(nn, call);
}
