#include "nn/cuda/module.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/symbol.h"
#include "nn/cuda/backend.h"
#include "nn/cuda/module_path.h"
#include "nn/cuda/nccl.h"

// ---- Services ----

static void fail(struct nn *nn, enum status code, const char *message) {
    nn_fail(nn, code, "%s", message);
}

static float *keep(struct nn *nn, int64_t num_floats);

static const struct cuda_services SERVICES = {
    nn_scratch, nn_scratch_free, nn_own_memory, nn_grad, fail, keep};

// ---- Opening ----

// NULL, with err, if there is none that fits.
static const struct cuda_backend *load(const char *path, struct error *err) {
    // Never closed again: the runtime in it has threads of its own.
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        error_set(err, STATUS_DEVICE, "CUDA: cannot open %s", dlerror());
        return NULL;
    }
    cuda_backend_function *function = NULL;
    if (!symbol_find(module, CUDA_BACKEND_FUNCTION, &function)) {
        error_set(err, STATUS_DEVICE, "CUDA: %s is not a module of this program", path);
        return NULL;
    }
    const struct cuda_backend *backend = function();
    if (backend->layout == cuda_backend_layout()) return backend;
    error_set(err, STATUS_DEVICE, "CUDA: %s belongs to another version of this program", path);
    return NULL;
}

enum status cuda_open(struct nn *nn, const char *path, int number, struct error *err) {
    char found[MODULE_PATH_BYTES];
    if (!path) TRY(module_path_find(found, err));
    const struct cuda_backend *backend = load(path ? path : found, err);
    if (!backend) return STATUS_DEVICE;
    struct cuda *cuda = malloc(sizeof *cuda);
    if (!cuda) return error_memory(err, "a device's context", sizeof *cuda);
    *cuda = (struct cuda){.backend = backend, .services = &SERVICES};
    nn->cuda = cuda;
    return backend->open(&cuda->device, number, nn->no_graphs, err);
}

void cuda_close(struct nn *nn) {
    struct cuda *cuda = nn->cuda;
    if (!cuda) return;
    // What belongs to a device is given back by a thread that is there. A lost one is left as it
    // is.
    if (cuda->device) (void)!cuda->backend->enter(cuda->device, NULL);
    while (cuda->blocks) {
        struct cuda_block *block = cuda->blocks;
        cuda->blocks = block->next;
        if (block->is_pinned)
            cuda->backend->release_pinned(cuda->device, block->memory);
        else
            cuda->backend->release(cuda->device, block->memory);
        free(block);
    }
    staging_destroy(&cuda->staging);
    cuda->backend->close(cuda->device);
    free(cuda);
    nn->cuda = NULL;
    nn->memory = NULL;
}

void cuda_enter(struct nn *nn) {
    struct error err;
    if (nn->cuda->backend->enter(nn->cuda->device, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s", err.message);
}

enum status cuda_look(struct cuda_facts *facts, struct error *err) {
    *facts = (struct cuda_facts){0};
    TRY(module_path_find(facts->module, err));
    const struct cuda_backend *backend = load(facts->module, err);
    if (!backend) return STATUS_DEVICE;
    TRY(backend->describe(facts, err));
    struct nccl nccl;
    if (nccl_open(&nccl, NULL, &facts->no_sums) == STATUS_OK) nccl_name(&nccl, facts->sums);
    return STATUS_OK;
}

// ---- Memory ----

typedef enum status allocator(struct cuda_device *device, int64_t bytes, void **memory,
                              struct error *err);

// Its content is undefined.
static enum status allocate(struct cuda *cuda, allocator *take, int64_t bytes, void **memory,
                            struct error *err) {
    struct cuda_block *block = malloc(sizeof *block);
    if (!block) return error_memory(err, "a device's memory", sizeof *block);
    enum status status = take(cuda->device, bytes, memory, err);
    if (status != STATUS_OK) {
        free(block);
        return status;
    }
    bool is_pinned = take == cuda->backend->allocate_pinned;
    *block = (struct cuda_block){*memory, bytes, is_pinned, cuda->blocks};
    cuda->blocks = block;
    return STATUS_OK;
}

enum status cuda_allocate(struct nn *nn, int64_t bytes, void **memory, struct error *err) {
    struct cuda *cuda = nn->cuda;
    TRY(allocate(cuda, cuda->backend->allocate, bytes > 0 ? bytes : 1, memory, err));
    TRY(cuda->backend->clear(cuda->device, *memory, bytes, err));
    return cuda->backend->synchronise(cuda->device, err);
}

// From blocks that are large, since each costs the driver a while.
static float *keep(struct nn *nn, int64_t num_floats) {
    static const int64_t BLOCK_BYTES = (int64_t)32 << 20;
    struct cuda_kept *kept = &nn->cuda->kept;
    int64_t bytes = num_floats * (int64_t)sizeof(float);
    bytes = (bytes + HEAP_ALIGNMENT - 1) / HEAP_ALIGNMENT * HEAP_ALIGNMENT;
    if (nn_failed(nn)) return NULL;
    if (kept->bytes < bytes) {
        struct error err;
        void *memory = NULL;
        int64_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        if (allocate(nn->cuda, nn->cuda->backend->allocate, size, &memory, &err) != STATUS_OK) {
            nn_fail(nn, err.code, "%s", err.message);
            return NULL;
        }
        *kept = (struct cuda_kept){memory, size};
    }
    void *start = kept->memory;
    kept->memory += bytes;
    kept->bytes -= bytes;
    return start;
}

enum status cuda_allocate_pinned(struct nn *nn, int64_t bytes, void **memory, struct error *err) {
    return allocate(nn->cuda, nn->cuda->backend->allocate_pinned, bytes, memory, err);
}

void cuda_transfer(struct nn *nn, void *to, const void *from, int64_t bytes) {
    struct cuda *cuda = nn->cuda;
    struct error err;
    if (bytes == 0) return;
    cuda->busy = true;
    if (cuda->backend->copy(cuda->device, to, from, bytes, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s", err.message);
}

void cuda_clear(struct nn *nn, void *memory, int64_t bytes) {
    struct cuda *cuda = nn->cuda;
    struct error err;
    if (bytes == 0) return;
    cuda->busy = true;
    if (cuda->backend->clear(cuda->device, memory, bytes, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s", err.message);
}

enum status cuda_map_memory(struct nn *nn, int64_t bytes, struct error *err) {
    struct cuda *cuda = nn->cuda;
    int64_t total = cuda->backend->total_bytes(cuda->device);
    if (bytes == 0 || bytes > total) bytes = total;
    bytes = (bytes + HEAP_ALIGNMENT - 1) / HEAP_ALIGNMENT * HEAP_ALIGNMENT;
    void *memory = NULL;
    if (nn->guarded) {
        TRY(allocate(cuda, cuda->backend->allocate_shared, bytes, &memory, err));
        cuda->usable_bytes = bytes;
    } else {
        TRY(cuda->backend->reserve(cuda->device, bytes, &memory, err));
    }
    nn->memory = memory;
    return heap_create(&nn->heap, bytes, err);
}

bool cuda_reach(struct nn *nn, int64_t end) {
    struct cuda *cuda = nn->cuda;
    struct error err;
    if (end <= cuda->usable_bytes) return true;
    if (cuda->backend->grow(cuda->device, end, &cuda->usable_bytes, &err) == STATUS_OK) return true;
    nn_fail(nn, err.code, "%s", err.message);
    return false;
}

// ---- Running ----

// A guarded context waits for each call: its user writes and reads buffers at once.
static void run(struct nn *nn, struct call *call, cuda_kernel *kernel) {
    struct error err;
    kernel(nn, call);
    nn->cuda->busy = true;
    if (nn->cuda->backend->check_launches(&err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", call->label ? call->label : op_name(call->op), err.message);
    if (nn->guarded) nn_wait(nn);
}

void cuda_forward(struct nn *nn, struct call *call) {
    run(nn, call, nn->cuda->backend->kernels[call->op].forward);
}

void cuda_backward(struct nn *nn, struct call *call) {
    CHECK(nn->cuda->backend->kernels[call->op].backward);
    run(nn, call, nn->cuda->backend->kernels[call->op].backward);
}

void cuda_wait_for_all(struct nn *nn) {
    struct cuda *cuda = nn->cuda;
    struct error err;
    // In the middle of a call, which is where a guarded context waits too, nobody keeps the books.
    if (!cuda->busy && !nn->guarded) return;
    cuda->busy = false;
    if (cuda->backend->synchronise(cuda->device, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s", err.message);
}
