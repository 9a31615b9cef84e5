// Memory that is mapped into a range of addresses, piece behind piece: what is mapped and
// accessible is one allocation, the rest cannot be touched.
#include <cuda.h>

#include <cstring>
#include <map>
#include <sys/mman.h>

#include "memory.h"
#include "stream.h"

namespace {

constexpr size_t GRANULARITY = 2 << 20;

struct piece {
    size_t bytes;
    int device;
    bool is_mapped, is_released;
};

struct range {
    size_t bytes, mapped, accessible;
};

std::map<CUdeviceptr, range> &ranges() {
    static auto *all = new std::map<CUdeviceptr, range>;
    return *all;
}

// By the address where it is mapped.
std::map<CUdeviceptr, piece *> &pieces() {
    static auto *all = new std::map<CUdeviceptr, piece *>;
    return *all;
}

void *pointer(CUdeviceptr at) {
    return reinterpret_cast<void *>(at);
}

// The range whose mapped part ends at an address; nullptr if there is none, or not so much left.
range *range_that_ends(CUdeviceptr at, size_t bytes, size_t range::*part) {
    for (auto &item : ranges())
        if (item.first + item.second.*part == at && item.second.*part + bytes <= item.second.bytes)
            return &item.second;
    return nullptr;
}

void end(piece *piece) {
    if (piece->is_mapped || !piece->is_released) return;
    emulator_give_back(piece->device, piece->bytes);
    delete piece;
}

} // namespace

CUresult cuMemAddressReserve(CUdeviceptr *begin, size_t bytes, size_t, CUdeviceptr,
                             unsigned long long) {
    const emulator_turn turn;
    if (bytes == 0 || bytes % GRANULARITY) return CUDA_ERROR_INVALID_VALUE;
    void *pages =
        mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    madvise(pages, bytes, MADV_HUGEPAGE); // which are faster to open and close
    *begin = reinterpret_cast<CUdeviceptr>(pages);
    ranges()[*begin] = {bytes, 0, 0};
    return CUDA_SUCCESS;
}

CUresult cuMemAddressFree(CUdeviceptr begin, size_t bytes) {
    const emulator_turn turn;
    auto at = ranges().find(begin);
    if (at == ranges().end() || at->second.bytes != bytes || at->second.mapped)
        return CUDA_ERROR_INVALID_VALUE;
    ranges().erase(at);
    munmap(pointer(begin), bytes);
    return CUDA_SUCCESS;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t bytes,
                     const CUmemAllocationProp *kind, unsigned long long) {
    const emulator_turn turn;
    if (bytes == 0 || bytes % GRANULARITY || kind->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
        kind->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
        return CUDA_ERROR_INVALID_VALUE;
    if (!emulator_take(kind->location.id, bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
    *handle = reinterpret_cast<CUmemGenericAllocationHandle>(
        new piece{bytes, kind->location.id, false, false});
    return CUDA_SUCCESS;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
    const emulator_turn turn;
    auto *released = reinterpret_cast<piece *>(handle);
    released->is_released = true;
    end(released);
    return CUDA_SUCCESS;
}

// Only behind what is mapped so far.
CUresult cuMemMap(CUdeviceptr at, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long) {
    const emulator_turn turn;
    auto *mapped = reinterpret_cast<piece *>(handle);
    range *into = range_that_ends(at, bytes, &range::mapped);
    if (!into || offset || mapped->bytes != bytes || mapped->is_mapped)
        return CUDA_ERROR_INVALID_VALUE;
    mapped->is_mapped = true;
    pieces()[at] = mapped;
    into->mapped += bytes;
    return CUDA_SUCCESS;
}

CUresult cuMemSetAccess(CUdeviceptr at, size_t bytes, const CUmemAccessDesc *access, size_t count) {
    const emulator_turn turn;
    range *of = range_that_ends(at, bytes, &range::accessible);
    auto mapped = pieces().find(at);
    if (!of || mapped == pieces().end() || mapped->second->bytes != bytes || count != 1 ||
        access->flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE ||
        access->location.id != mapped->second->device)
        return CUDA_ERROR_INVALID_VALUE;
    emulator_extend(static_cast<char *>(pointer(at)) - of->accessible, of->accessible, bytes,
                    mapped->second->device);
    of->accessible += bytes;
    return CUDA_SUCCESS;
}

// The first piece that is left: all that lies in the range is gone for good.
CUresult cuMemUnmap(CUdeviceptr at, size_t bytes) {
    const emulator_turn turn;
    auto mapped = pieces().find(at);
    if (mapped == pieces().end() || mapped->second->bytes != bytes) return CUDA_ERROR_INVALID_VALUE;
    emulator_finish_all();
    auto of = --ranges().upper_bound(at);
    if (of->second.accessible) emulator_forget(pointer(of->first), of->second.accessible);
    of->second.accessible = 0;
    of->second.mapped -= bytes;
    mapped->second->is_mapped = false;
    end(mapped->second);
    pieces().erase(mapped);
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult *result) {
    const struct {
        const char *name;
        void *function;
    } all[] = {
        {"cuMemAddressReserve", reinterpret_cast<void *>(cuMemAddressReserve)},
        {"cuMemAddressFree", reinterpret_cast<void *>(cuMemAddressFree)},
        {"cuMemCreate", reinterpret_cast<void *>(cuMemCreate)},
        {"cuMemRelease", reinterpret_cast<void *>(cuMemRelease)},
        {"cuMemMap", reinterpret_cast<void *>(cuMemMap)},
        {"cuMemUnmap", reinterpret_cast<void *>(cuMemUnmap)},
        {"cuMemSetAccess", reinterpret_cast<void *>(cuMemSetAccess)},
    };
    *result = cudaDriverEntryPointSymbolNotFound;
    for (const auto &one : all) {
        if (strcmp(one.name, name) != 0) continue;
        *function = one.function;
        *result = cudaDriverEntryPointSuccess;
    }
    return cudaSuccess;
}
