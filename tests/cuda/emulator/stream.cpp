#include "stream.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <unistd.h>
#include <vector>

#include "memory.h"
#include "order.h"
#include "stream_calls.h"

using work = emulator_work;

struct emulated_stream {
    const emulated_stream_calls *calls; // first: others know no more of a stream
    std::deque<struct emulator_work> work;
    bool is_used; // since the last wait
    int device;
    emulator_capture *capture; // where work goes meanwhile; nullptr: it is done
};

emulator_counts emulator_counted;

namespace {

emulated_stream default_stream;
bool is_working;

// In the order in which they were created.
std::vector<emulated_stream *> &streams() {
    static auto *all = new std::vector<emulated_stream *>{&default_stream};
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

// What is used by all that waits to be done.
emulator_use find_use() {
    emulator_use use = {};
    if (!is_deferred()) return use;
    for (const emulated_stream *stream : streams()) {
        for (const work &work : stream->work) {
            if (work.uses_all) use.devices.insert(stream->device);
            if (work.uses) use.addresses.push_back(work.uses);
        }
    }
    return use;
}

// False if there is nothing, or it has to wait.
bool do_next(emulated_stream &stream) {
    if (stream.work.empty() || !stream.work.front().attempt()) return false;
    stream.work.pop_front();
    return true;
}

// One piece of work, the wanted stream's or another's. False if all have to wait: for another
// process, as every event that a stream waits for was recorded before.
bool do_any(emulated_stream &wanted) {
    std::vector<emulated_stream *> order;
    for (emulated_stream *stream : streams())
        if (stream != &wanted) order.push_back(stream);
    sequence sequence = emulator_sequence();
    order.insert(sequence == sequence::reverse ? order.end() : order.begin(), &wanted);
    for (size_t i = order.size(); sequence == sequence::random && i > 1; i--)
        std::swap(order[i - 1], order[emulator_random_below(static_cast<unsigned>(i))]);
    return std::any_of(order.begin(), order.end(), [](emulated_stream *s) { return do_next(*s); });
}

void rest() {
    usleep(50);
}

template <class Action> void with_open_memory(Action action) {
    if (is_working) return;
    is_working = true;
    emulator_close_managed_memory({});
    emulator_open_device_memory(true); // once for all that is done
    action();
    emulator_open_device_memory(false);
    is_working = false;
    emulator_close_managed_memory(find_use());
}

void finish(emulated_stream &stream) {
    if (stream.work.empty()) return;
    with_open_memory([&] {
        while (!stream.work.empty())
            if (!do_any(stream)) rest();
    });
}

void enqueue(cudaStream_t stream, work work) {
    const emulator_turn turn;
    emulated_stream &to = stream_of(stream);
    if (stream && to.device != emulator_device()) {
        fprintf(stderr, "emulator: work for a stream of device %d from a thread of device %d\n",
                to.device, emulator_device());
        abort();
    }
    if (to.capture) {
        to.capture->work.push_back(std::move(work));
        return;
    }
    to.is_used = true;
    if (!is_deferred() && to.work.empty() && work.attempt()) return;
    bool uses_all = work.uses_all;
    to.work.push_back(std::move(work));
    if (!uses_all || !emulator_is_closed(to.device)) emulator_close_managed_memory(find_use());
}

// ---- For other libraries ----

void enqueue_call(void *stream, bool (*work)(void *argument), void *argument, const void *memory) {
    const auto attempt = [=] {
        emulator_open_device_memory(true);
        bool is_done = work(argument);
        emulator_open_device_memory(false);
        return is_done;
    };
    enqueue(static_cast<cudaStream_t>(stream), {attempt, false, memory});
}

int device_of(const void *stream) {
    return static_cast<const emulated_stream *>(stream)->device;
}

const emulated_stream_calls CALLS = {enqueue_call, emulator_is_within_device_memory, device_of};

} // namespace

void emulator_enqueue_work(cudaStream_t stream, const emulator_work &work) {
    enqueue(stream, work);
}

emulator_capture *&emulator_capture_of(cudaStream_t stream) {
    return stream_of(stream).capture;
}

bool emulator_refuses_in_capture(cudaStream_t stream) {
    emulator_capture *capture = emulator_capture_of(stream);
    if (capture) capture->is_invalid = true;
    return capture;
}

void emulator_enqueue_tries(cudaStream_t stream, std::function<bool()> work) {
    if (emulator_refuses_in_capture(stream)) return;
    enqueue(stream, {std::move(work), false, nullptr});
}

void emulator_enqueue(cudaStream_t stream, std::function<void()> work) {
    const auto attempt = [work = std::move(work)] {
        work();
        return true;
    };
    enqueue(stream, {attempt, true, nullptr});
}

void emulator_finish(cudaStream_t stream) {
    finish(stream_of(stream));
}

void emulator_finish_all() {
    for (emulated_stream *stream : streams())
        finish(*stream);
}

void emulator_advance(cudaStream_t stream) {
    const emulator_turn turn;
    with_open_memory([=] { do_any(stream_of(stream)); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
    const emulator_turn turn;
    *stream = new emulated_stream{};
    (*stream)->calls = &CALLS;
    (*stream)->device = emulator_device();
    streams().push_back(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int) {
    return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    const emulator_turn turn;
    emulator_finish(stream);
    streams().erase(std::find(streams().begin(), streams().end(), stream));
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    const emulator_turn turn;
    emulated_stream &of = stream_of(stream);
    if (emulator_refuses_in_capture(stream)) return cudaErrorStreamCaptureUnsupported;
    if (of.is_used) emulator_counted.waits++;
    of.is_used = false;
    finish(of);
    return emulator_is_lost(of.device) ? cudaErrorLaunchFailure : cudaSuccess;
}

int64_t emulator_count(const char *name) {
    const struct {
        const char *name;
        int64_t count;
    } all[] = {{"launches", emulator_counted.launches}, {"waits", emulator_counted.waits},
               {"uploads", emulator_counted.uploads},   {"downloads", emulator_counted.downloads},
               {"bytes", emulator_counted.bytes},       {"graphs", emulator_counted.graphs}};
    for (const auto &one : all)
        if (strcmp(one.name, name) == 0) return one.count;
    return -1;
}
