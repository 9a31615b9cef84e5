#include "stream.h"

#include <cstdlib>
#include <deque>
#include <set>

#include "memory.h"

struct emulated_stream {
    std::deque<std::function<void()>> work;
    bool is_used; // since the last wait
    int device;
};

emulator_counts emulator_counted;

namespace {

emulated_stream default_stream;
bool is_working;

std::set<emulated_stream *> &streams() {
    static auto *all = new std::set<emulated_stream *>{&default_stream};
    return *all;
}

emulated_stream &stream_of(cudaStream_t stream) {
    return stream ? *stream : default_stream;
}

bool is_deferred() {
    const char *name = getenv("CUDA_EMULATOR_LAUNCH");
    if (!name || strcmp(name, "now") == 0) return false;
    if (strcmp(name, "deferred") == 0) return true;
    fprintf(stderr, "CUDA_EMULATOR_LAUNCH=%s: expected now or deferred\n", name);
    exit(2);
}

bool is_busy() {
    for (const emulated_stream *stream : streams())
        if (!stream->work.empty()) return true;
    return false;
}

void finish(emulated_stream &stream) {
    if (is_working || stream.work.empty()) return;
    is_working = true;
    emulator_close_managed_memory(false);
    for (; !stream.work.empty(); stream.work.pop_front())
        stream.work.front()();
    is_working = false;
    emulator_close_managed_memory(is_busy());
}

} // namespace

void emulator_enqueue(cudaStream_t stream, std::function<void()> work) {
    emulated_stream &to = stream_of(stream);
    if (stream && to.device != emulator_device()) {
        fprintf(stderr, "emulator: work for a stream of device %d from a thread of device %d\n",
                to.device, emulator_device());
        abort();
    }
    to.is_used = true;
    if (!is_deferred()) {
        work();
        return;
    }
    to.work.push_back(std::move(work));
    emulator_close_managed_memory(true);
}

void emulator_finish(cudaStream_t stream) {
    finish(stream_of(stream));
}

void emulator_finish_all() {
    for (emulated_stream *stream : streams())
        finish(*stream);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
    *stream = new emulated_stream{};
    (*stream)->device = emulator_device();
    streams().insert(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    emulator_finish(stream);
    streams().erase(stream);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    emulated_stream &of = stream_of(stream);
    if (of.is_used) emulator_counted.waits++;
    of.is_used = false;
    finish(of);
    return cudaSuccess;
}

int64_t emulator_count(const char *name) {
    const struct {
        const char *name;
        int64_t count;
    } all[] = {{"launches", emulator_counted.launches},
               {"waits", emulator_counted.waits},
               {"uploads", emulator_counted.uploads},
               {"downloads", emulator_counted.downloads},
               {"bytes", emulator_counted.bytes}};
    for (const auto &one : all)
        if (strcmp(one.name, name) == 0) return one.count;
    return -1;
}
