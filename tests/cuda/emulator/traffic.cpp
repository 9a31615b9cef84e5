// Counts what kernels move: a module whose .cu files are compiled as for ThreadSanitizer calls a
// function at each access, and these here stand in for the sanitizer's. As on a device, memory
// moves in sectors of 32 bytes; a launch reads and writes each sector that it touches once.

#include <map>
#include <vector>

#include "memory.h"
#include "stream.h"

namespace {

constexpr size_t SECTOR_BYTES = 32;

// The last launch that touched each sector of an allocation.
struct touched {
    std::vector<uint32_t> by_read, by_write;
};

std::map<const char *, touched> &all() {
    static auto *map = new std::map<const char *, touched>;
    return *map;
}

// The allocation of the last access, since the next is mostly to the same.
struct {
    const char *begin = nullptr;
    size_t bytes = 0;
    touched *sectors = nullptr;
} last;

bool find(const char *address) {
    if (address >= last.begin && address < last.begin + last.bytes) return true;
    if (!emulator_find_global_memory(address, &last.begin, &last.bytes)) return false;
    last.sectors = &all()[last.begin];
    size_t count = last.bytes / SECTOR_BYTES + 2;
    last.sectors->by_read.resize(count);
    last.sectors->by_write.resize(count);
    return true;
}

void touch(const void *at, size_t bytes, bool writes) {
    const char *address = static_cast<const char *>(at);
    if (!emulated || !find(address)) return; // the host's, or a thread's own
    std::vector<uint32_t> &sectors = writes ? last.sectors->by_write : last.sectors->by_read;
    size_t first = static_cast<size_t>(address - last.begin);
    uint32_t launch = emulator_running_launch();
    for (size_t i = first / SECTOR_BYTES; i <= (first + bytes - 1) / SECTOR_BYTES; i++) {
        if (sectors[i] == launch) continue;
        sectors[i] = launch;
        emulator_counted.bytes += static_cast<int64_t>(SECTOR_BYTES);
    }
}

} // namespace

#define ACCESS(name, bytes, writes)                                                                \
    void __tsan_##name(void *at) {                                                                 \
        touch(at, bytes, writes);                                                                  \
    }
#define ACCESSES(bytes)                                                                            \
    ACCESS(read##bytes, bytes, false)                                                              \
    ACCESS(write##bytes, bytes, true)                                                              \
    ACCESS(unaligned_read##bytes, bytes, false)                                                    \
    ACCESS(unaligned_write##bytes, bytes, true)

extern "C" {
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void *at, size_t bytes) {
    touch(at, bytes, false);
}

void __tsan_write_range(void *at, size_t bytes) {
    touch(at, bytes, true);
}

void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
    touch(from, bytes, false);
    touch(to, bytes, true);
    return memcpy(to, from, bytes);
}

void *__tsan_memset(void *to, int value, size_t bytes) {
    touch(to, bytes, true);
    return memset(to, value, bytes);
}

void __tsan_init() {
}

void __tsan_func_entry(void *) {
}

void __tsan_func_exit(void *) {
}

void __tsan_vptr_update(void **, void *) {
}

void __tsan_vptr_read(void **) {
}
}
