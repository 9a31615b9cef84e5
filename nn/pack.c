#include "nn/pack.h"

#include <sys/mman.h>
#include <unistd.h>

static const int64_t HUGE_PAGE_BYTES = 2 << 20;

static void *check(struct nn *nn, void *memory) {
    if (!memory) nn_fail(nn, STATUS_MEMORY, "packed weights: out of memory");
    return memory;
}

void *pack_keep(struct nn *nn, int64_t count, size_t bytes) {
    return check(nn, arena_alloc_zero(&nn->model, count, bytes));
}

// Not zeroed: that would be one thread's work, while all of them fill it.
static void *keep_floats(struct nn *nn, int64_t count) {
    int64_t bytes = count * (int64_t)sizeof(float);
    char *memory = check(nn, arena_alloc(&nn->model, count, sizeof(float)));
    if (memory && bytes >= 2 * HUGE_PAGE_BYTES) {
        int64_t page = sysconf(_SC_PAGESIZE);
        int64_t skipped = (page - (int64_t)((uintptr_t)memory % (uintptr_t)page)) % page;
        int64_t whole = (bytes - skipped) / page * page;
        madvise(memory + skipped, (size_t)whole, MADV_HUGEPAGE); // a wish
    }
    return memory;
}

struct pack *pack_find(struct nn *nn, struct pack **packs, const struct dnn_layout *layout,
                       int64_t kind) {
    struct pack *pack = *packs;
    while (pack && (pack->layout != layout || pack->kind != kind))
        pack = pack->next;
    if (!pack) {
        pack = pack_keep(nn, 1, sizeof *pack);
        if (!pack) return NULL;
        *pack = (struct pack){.next = *packs, .layout = layout, .kind = kind};
        *packs = pack;
    }
    if (pack->data) return pack;
    int64_t count = dnn_layout_floats(layout);
    pack->kept = nn->mode == NN_INFERENCE;
    pack->data = pack->kept ? keep_floats(nn, count) : nn_scratch(nn, count);
    return pack->data ? pack : NULL;
}

const float *pack_source(struct nn *nn, const struct parameter *parameter) {
    struct error err;
    if (nn_failed(nn)) return NULL;
    if (parameter_check(parameter, &err) == STATUS_OK) return parameter->data;
    nn_fail(nn, err.code, "%s", err.message);
    return NULL;
}

const void *pack_make(struct nn *nn, struct pack *pack, const struct parameter *parameter,
                      const float *plain, uint64_t version) {
    struct error err;
    if (nn_failed(nn)) return NULL;
    if (dnn_pack(nn->onednn, pack->layout, plain, pack->data, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s: %s", parameter->name, err.message);
        return NULL; // still stale
    }
    parameter_drop(parameter);
    pack->version = version;
    return pack->data;
}

void pack_release(struct nn *nn, struct pack *packs) {
    for (struct pack *pack = packs; pack; pack = pack->next) {
        if (pack->kept) continue;
        nn_scratch_free(nn, pack->data);
        pack->data = NULL;
        pack->version = 0;
    }
}
