#include "memory.h"

#include <cstdlib>
#include <map>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "cuda_runtime.h"
#include "stream.h"

namespace {

constexpr size_t ALIGNMENT = 16; // of an end, so that what lies behind it is found
constexpr size_t POISONED_BYTES = 64 << 20;

struct allocation {
    char *begin; // what the program has
    size_t bytes;
    char *pages;
    size_t page_bytes; // without the guards, one on either side
    emulator_memory kind;
    bool closed; // managed, and not to be touched now
    int device;
};

// By the last byte, so that lower_bound finds who holds an address. Lives until the program ends.
std::map<const char *, allocation> &allocations() {
    static auto *all = new std::map<const char *, allocation>;
    return *all;
}

std::recursive_mutex &mutex() {
    static auto *one = new std::recursive_mutex;
    return *one;
}

// What is taken of each device's memory.
std::map<int, size_t> &taken() {
    static auto *all = new std::map<int, size_t>;
    return *all;
}

thread_local int device_of_thread;
thread_local cudaError_t last_error;
// CUDA_EMULATOR_OPEN lets the program touch all memory of devices: libraries that stand in for
// others compute there.
int open_depth = getenv("CUDA_EMULATOR_OPEN") ? 1 : 0;
emulator_use closed_for;

// CUDA_EMULATOR_MEMORY makes devices of so many MiB.
size_t device_bytes() {
    const char *wanted = getenv("CUDA_EMULATOR_MEMORY");
    return static_cast<size_t>(wanted ? atoi(wanted) : 4096) << 20;
}

void protect(const allocation &a, bool open) {
    mprotect(a.pages, a.page_bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

bool is_devices_alone(const allocation &a) {
    return a.kind == emulator_memory::device || a.kind == emulator_memory::block;
}

cudaError_t allocate(void **pointer, size_t bytes, emulator_memory kind) {
    const emulator_turn turn;
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    if (bytes > device_bytes()) return cudaErrorMemoryAllocation;
    if (kind == emulator_memory::device && !emulator_take(device_of_thread, bytes))
        return cudaErrorMemoryAllocation;
    size_t page_bytes = (bytes + page - 1) / page * page;
    void *pages = mmap(nullptr, page_bytes + 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return cudaErrorMemoryAllocation;
    char *first = static_cast<char *>(pages) + page;
    mprotect(pages, page, PROT_NONE);
    char *begin = first + (page_bytes - bytes) / ALIGNMENT * ALIGNMENT;
    if (bytes <= POISONED_BYTES) memset(first, 0xFF, page_bytes); // NaN: nobody may rely on zeros
    mprotect(first + page_bytes, page, PROT_NONE);
    bool closed =
        kind == emulator_memory::managed && !open_depth && emulator_is_closed(device_of_thread);
    const allocation made = {begin, bytes, first, page_bytes, kind, closed, device_of_thread};
    if (closed || (!open_depth && is_devices_alone(made))) protect(made, false);
    allocations()[begin + bytes - 1] = made;
    *pointer = begin;
    return cudaSuccess;
}

const allocation *find(const void *pointer) {
    const char *address = static_cast<const char *>(pointer);
    auto at = allocations().lower_bound(address);
    return at != allocations().end() && address >= at->second.begin ? &at->second : nullptr;
}

} // namespace

emulator_turn::emulator_turn() : lock(mutex()) {
}

bool emulator_is_lost(int device) {
    char path[512];
    const char *folder = getenv("CUDA_EMULATOR_LOST");
    if (!folder) return false;
    snprintf(path, sizeof path, "%s/%d", folder, device);
    return access(path, F_OK) == 0;
}

bool emulator_is_device_memory(const void *pointer) {
    const emulator_turn turn;
    return find(pointer) != nullptr;
}

bool emulator_is_within_device_memory(const void *pointer, size_t bytes) {
    const allocation *a = find(pointer);
    return a && static_cast<const char *>(pointer) + bytes <= a->begin + a->bytes;
}

bool emulator_is_managed_memory(const void *pointer) {
    const allocation *a = find(pointer);
    return a && a->kind == emulator_memory::managed;
}

bool emulator_find_global_memory(const void *pointer, const char **begin, size_t *bytes) {
    const allocation *a = find(pointer);
    if (!a || a->kind == emulator_memory::pinned || a->kind == emulator_memory::block) return false;
    *begin = a->begin;
    *bytes = a->bytes;
    return true;
}

void emulator_open_device_memory(bool open) {
    open_depth += open ? 1 : -1;
    if (open_depth > 1 || (open_depth == 1 && !open)) return;
    for (const auto &item : allocations())
        if (is_devices_alone(item.second)) protect(item.second, open);
}

bool emulator_take(int device, size_t bytes) {
    if (taken()[device] + bytes > device_bytes()) return false;
    taken()[device] += bytes;
    return true;
}

void emulator_give_back(int device, size_t bytes) {
    taken()[device] -= bytes;
}

void emulator_extend(void *begin, size_t bytes, size_t more, int device) {
    if (bytes) emulator_forget(begin, bytes);
    char *first = static_cast<char *>(begin);
    const allocation made = {first, bytes + more, first, bytes + more, emulator_memory::device,
                             false, device};
    protect(made, true);
    if (more <= POISONED_BYTES) memset(first + bytes, 0xFF, more);
    if (!open_depth) protect(made, false);
    allocations()[first + made.bytes - 1] = made;
}

void emulator_forget(void *begin, size_t bytes) {
    allocations().erase(static_cast<char *>(begin) + bytes - 1);
}

bool emulator_is_closed(int device) {
    return closed_for.devices.count(device) != 0;
}

void emulator_close_managed_memory(const emulator_use &use) {
    if (use.devices == closed_for.devices && use.addresses == closed_for.addresses) return;
    closed_for = use;
    for (auto &item : allocations()) {
        allocation &a = item.second;
        bool close = use.devices.count(a.device) != 0;
        for (const void *address : use.addresses)
            close = close || find(address) == &a;
        if (a.kind != emulator_memory::managed || a.closed == close) continue;
        a.closed = close;
        protect(a, !close);
    }
}

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaSuccess:
        return "no error";
    case cudaErrorInvalidValue:
        return "invalid argument";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
        return "invalid device ordinal";
    case cudaErrorNotReady:
        return "device not ready";
    case cudaErrorLaunchFailure:
        return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported:
        return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
        return "operation failed due to a previous error during capture";
    }
    return "unknown error";
}

void emulator_set_last_error(cudaError_t error) {
    last_error = error;
}

cudaError_t cudaGetLastError() {
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = 13010;
    return cudaSuccess;
}

// CUDA_EMULATOR_DEVICES and _CAPABILITY make a machine without devices, or with an old one.
cudaError_t cudaGetDeviceCount(int *count) {
    const char *wanted = getenv("CUDA_EMULATOR_DEVICES");
    *count = wanted ? atoi(wanted) : 1;
    return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
    const char *capability = getenv("CUDA_EMULATOR_CAPABILITY");
    *properties = cudaDeviceProp{};
    snprintf(properties->name, sizeof properties->name, "emulated device");
    properties->major = capability ? atoi(capability) / 10 : 9;
    properties->minor = capability ? atoi(capability) % 10 : 0;
    properties->totalGlobalMem = device_bytes();
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
    const emulator_turn turn;
    *total = device_bytes();
    *available = *total - taken()[device_of_thread];
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int bytes, int device) {
    snprintf(text, static_cast<size_t>(bytes), "0000:%02X:00.0", device + 1);
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    int count = 0;
    cudaGetDeviceCount(&count);
    if (device < 0 || device >= count) return cudaErrorInvalidDevice;
    if (emulator_is_lost(device)) return cudaErrorLaunchFailure;
    device_of_thread = device;
    return cudaSuccess;
}

int emulator_device() {
    return device_of_thread;
}

cudaError_t cudaMalloc(void **pointer, size_t bytes) {
    return allocate(pointer, bytes, emulator_memory::device);
}

cudaError_t cudaMallocManaged(void **pointer, size_t bytes, unsigned) {
    return allocate(pointer, bytes, emulator_memory::managed);
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
    return allocate(pointer, bytes, emulator_memory::pinned);
}

void *emulator_allocate_for_block(size_t bytes) {
    void *memory = nullptr;
    allocate(&memory, bytes, emulator_memory::block);
    return memory;
}

cudaError_t cudaFreeHost(void *pointer) {
    return cudaFree(pointer);
}

cudaError_t cudaFree(void *pointer) {
    if (!pointer) return cudaSuccess;
    const emulator_turn turn;
    const allocation *a = find(pointer);
    if (!a || a->begin != pointer) return cudaErrorInvalidValue;
    emulator_finish_all();
    allocation copy = *a;
    allocations().erase(copy.begin + copy.bytes - 1);
    if (copy.kind == emulator_memory::device) emulator_give_back(copy.device, copy.bytes);
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    munmap(copy.pages - page, copy.page_bytes + 2 * page);
    return cudaSuccess;
}

// Whether all bytes lie where the kind of copy says.
static bool lies(const void *pointer, size_t bytes, bool on_device) {
    const allocation *a = find(pointer);
    if (!a) return !on_device;
    const char *end = static_cast<const char *>(pointer) + bytes;
    bool fits =
        a->kind == emulator_memory::managed || (a->kind == emulator_memory::pinned) != on_device;
    return fits && end <= a->begin + a->bytes;
}

static bool is_pinned(const void *pointer) {
    const allocation *a = find(pointer);
    return a && a->kind == emulator_memory::pinned;
}

// As copies of pageable memory are on a device: what comes from there is taken at once, and who
// brings something there waits.
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    const emulator_turn turn;
    if (kind == cudaMemcpyHostToDevice && (!lies(to, bytes, true) || !lies(from, bytes, false)))
        return cudaErrorInvalidValue;
    if (kind == cudaMemcpyDeviceToHost && (!lies(to, bytes, false) || !lies(from, bytes, true)))
        return cudaErrorInvalidValue;
    if (kind == cudaMemcpyDeviceToDevice && (!lies(to, bytes, true) || !lies(from, bytes, true)))
        return cudaErrorInvalidValue;
    std::vector<char> copy;
    bool is_upload = !emulator_is_device_memory(from);
    bool is_download = !emulator_is_device_memory(to);
    bool is_between = is_upload || is_download || is_pinned(from) || is_pinned(to);
    if ((is_upload || is_download) && emulator_refuses_in_capture(stream))
        return cudaErrorStreamCaptureUnsupported;
    if (is_upload) copy.assign((const char *)from, (const char *)from + bytes);
    // What comes to the program is not there before.
    if (is_pinned(to) && !is_upload && !is_pinned(from)) memset(to, 0xFF, bytes);
    emulator_enqueue(stream, [=, copy = std::move(copy)] {
        emulator_open_device_memory(true);
        memcpy(to, is_upload ? copy.data() : from, bytes);
        emulator_open_device_memory(false);
        if (!is_between) emulator_counted.bytes += 2 * static_cast<int64_t>(bytes);
    });
    emulator_counted.uploads += is_upload;
    emulator_counted.downloads += is_download;
    if (is_download) emulator_finish(stream);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
    const emulator_turn turn;
    if (!lies(to, bytes, true)) return cudaErrorInvalidValue;
    emulator_enqueue(stream, [=] {
        emulator_open_device_memory(true);
        memset(to, value, bytes);
        emulator_open_device_memory(false);
        emulator_counted.bytes += static_cast<int64_t>(bytes);
    });
    return cudaSuccess;
}
