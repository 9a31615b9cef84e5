// Events of the emulated device: a place in one stream's work that others can wait for.
#include <memory>

#include "memory.h"
#include "stream.h"

struct emulated_event {
    int64_t recorded; // how often
    // The last record that its stream has come to. The stream may come there after the event's end.
    std::shared_ptr<int64_t> reached;
    cudaStream_t stream; // of the last record
    int64_t launches;    // that the program had made before it
    bool has_time;
};

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    *event =
        new emulated_event{0, std::make_shared<int64_t>(0), nullptr, 0, flags == cudaEventDefault};
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    event->stream = stream;
    event->launches = emulator_counted.launches;
    emulator_enqueue_tries(stream, [reached = event->reached, number = ++event->recorded] {
        *reached = number;
        return true;
    });
    return cudaSuccess;
}

// For the last record before this call, whatever is recorded later; without one, for nothing.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    emulator_enqueue_tries(stream, [reached = event->reached, number = event->recorded] {
        return *reached >= number;
    });
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
    if (*event->reached < event->recorded) emulator_advance(event->stream);
    if (*event->reached >= event->recorded) return cudaSuccess;
    emulator_set_last_error(cudaErrorNotReady);
    return cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (*event->reached < event->recorded) emulator_finish(event->stream);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end) {
    bool reached = *begin->reached >= begin->recorded && *end->reached >= end->recorded;
    if (!begin->has_time || !end->has_time || !begin->recorded || !end->recorded) {
        emulator_set_last_error(cudaErrorInvalidValue);
        return cudaErrorInvalidValue;
    }
    if (!reached) {
        emulator_set_last_error(cudaErrorNotReady);
        return cudaErrorNotReady;
    }
    *milliseconds = (float)(end->launches - begin->launches) * 1e-3f;
    return cudaSuccess;
}
