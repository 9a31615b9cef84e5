// By the driver's functions for mapping memory, which the runtime finds: nothing is linked with it.

#include "nn/cuda/step_memory.h"

#include <cuda.h>

#include <vector>

#include "nn/cuda/devices.h"

static const int64_t PIECE_BYTES = (int64_t)64 << 20; // at least: each costs the driver a while
static const unsigned DRIVER_VERSION = 10020;         // the CUDA that these functions came with

struct driver {
    decltype(&cuMemAddressReserve) reserve;
    decltype(&cuMemAddressFree) free;
    decltype(&cuMemCreate) create;
    decltype(&cuMemRelease) release;
    decltype(&cuMemMap) map;
    decltype(&cuMemUnmap) unmap;
    decltype(&cuMemSetAccess) set_access;
};

struct step_memory {
    struct driver driver;
    CUmemLocation location;
    CUdeviceptr begin;
    int64_t bytes, usable_bytes;
    std::vector<int64_t> pieces; // their sizes, one behind the other
};

template <class Function>
static enum status find(Function **function, const char *name, struct error *err) {
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
    void *address = NULL;
    cudaError_t code =
        cudaGetDriverEntryPointByVersion(name, &address, DRIVER_VERSION, cudaEnableDefault, &found);
    if (code != cudaSuccess) return cuda_failure(err, name, code);
    if (found != cudaDriverEntryPointSuccess)
        return error_set(err, STATUS_DEVICE, "CUDA: the driver has no %s", name);
    *function = reinterpret_cast<Function *>(address);
    return STATUS_OK;
}

static enum status find_all(struct driver *driver, struct error *err) {
    TRY(find(&driver->reserve, "cuMemAddressReserve", err));
    TRY(find(&driver->free, "cuMemAddressFree", err));
    TRY(find(&driver->create, "cuMemCreate", err));
    TRY(find(&driver->release, "cuMemRelease", err));
    TRY(find(&driver->map, "cuMemMap", err));
    TRY(find(&driver->unmap, "cuMemUnmap", err));
    return find(&driver->set_access, "cuMemSetAccess", err);
}

// The driver's errors have the numbers of the runtime's.
static enum status failure(struct error *err, CUresult code) {
    return cuda_failure(err, "step memory", (cudaError_t)code);
}

static int64_t whole_pieces(int64_t bytes) {
    return (bytes + PIECE_BYTES - 1) / PIECE_BYTES * PIECE_BYTES;
}

enum status step_memory_open(struct step_memory **result, int device, int64_t bytes, void **begin,
                             struct error *err) {
    struct step_memory *memory = *result = new step_memory{};
    memory->location = {CU_MEM_LOCATION_TYPE_DEVICE, device};
    TRY(find_all(&memory->driver, err));
    CUresult code = memory->driver.reserve(&memory->begin, (size_t)whole_pieces(bytes), 0, 0, 0);
    if (code != CUDA_SUCCESS) return failure(err, code);
    memory->bytes = whole_pieces(bytes);
    *begin = (void *)(uintptr_t)memory->begin;
    return STATUS_OK;
}

void step_memory_close(struct step_memory *memory) {
    if (!memory) return;
    CUdeviceptr at = memory->begin;
    for (int64_t piece : memory->pieces) {
        memory->driver.unmap(at, (size_t)piece);
        at += (CUdeviceptr)piece;
    }
    if (memory->bytes) memory->driver.free(memory->begin, (size_t)memory->bytes);
    delete memory;
}

// The memory lives as long as it is mapped, whoever knows it.
static CUresult add_piece(struct step_memory *memory, int64_t bytes) {
    const struct driver *driver = &memory->driver;
    CUdeviceptr at = memory->begin + (CUdeviceptr)memory->usable_bytes;
    CUmemGenericAllocationHandle piece = 0;
    CUmemAllocationProp kind = {};
    kind.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    kind.location = memory->location;
    CUresult code = driver->create(&piece, (size_t)bytes, &kind, 0);
    if (code != CUDA_SUCCESS) return code;
    code = driver->map(at, (size_t)bytes, 0, piece, 0);
    driver->release(piece);
    if (code != CUDA_SUCCESS) return code;
    const CUmemAccessDesc access = {memory->location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    code = driver->set_access(at, (size_t)bytes, &access, 1);
    if (code != CUDA_SUCCESS) driver->unmap(at, (size_t)bytes);
    return code;
}

enum status step_memory_grow(struct step_memory *memory, int64_t end, int64_t *usable,
                             struct error *err) {
    int64_t missing = whole_pieces(end - memory->usable_bytes);
    CHECK(end <= memory->bytes);
    if (end > memory->usable_bytes) {
        CUresult code = add_piece(memory, missing);
        if (code == CUDA_ERROR_OUT_OF_MEMORY)
            return cuda_out_of_memory(err, "step memory", memory->usable_bytes, missing);
        if (code != CUDA_SUCCESS) return failure(err, code);
        memory->pieces.push_back(missing);
        memory->usable_bytes += missing;
    }
    *usable = memory->usable_bytes;
    return STATUS_OK;
}
