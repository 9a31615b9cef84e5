#include "nn/cuda/side_stream.h"

#include "nn/cuda/devices.h"

struct side_stream {
    struct commands *commands;
    cudaStream_t kernels;
    cudaStream_t stream;
    cudaEvent_t launched; // all kernels up to the last follow
    cudaEvent_t given;    // all that the stream had got up to the last lead
};

static enum status succeeded(struct error *err, cudaError_t code) {
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "a second stream", code);
}

// Before the kernels where both could go on: others wait for what it does.
static enum status create_stream(cudaStream_t *stream, struct error *err) {
    int least = 0;
    int greatest = 0;
    TRY(succeeded(err, cudaDeviceGetStreamPriorityRange(&least, &greatest)));
    return succeeded(err, cudaStreamCreateWithPriority(stream, cudaStreamNonBlocking, greatest));
}

enum status side_stream_open(struct side_stream **result, struct nn *nn, struct error *err) {
    struct side_stream *side = *result =
        new side_stream{cuda_commands(nn), cuda_stream(nn), NULL, NULL, NULL};
    TRY(create_stream(&side->stream, err));
    TRY(succeeded(err, cudaEventCreateWithFlags(&side->launched, cudaEventDisableTiming)));
    return succeeded(err, cudaEventCreateWithFlags(&side->given, cudaEventDisableTiming));
}

void side_stream_close(struct side_stream *side) {
    if (!side) return;
    if (side->given) cudaEventDestroy(side->given);
    if (side->launched) cudaEventDestroy(side->launched);
    if (side->stream) cudaStreamDestroy(side->stream);
    delete side;
}

void *side_stream_handle(const struct side_stream *side) {
    return side->stream;
}

// An event that is recorded anew does not change what was already told to wait for it.
static enum status wait_for(cudaStream_t waits, cudaEvent_t event, cudaStream_t stream,
                            struct error *err) {
    TRY(succeeded(err, cudaEventRecord(event, stream)));
    return succeeded(err, cudaStreamWaitEvent(waits, event, 0));
}

enum status side_stream_follow(struct side_stream *side, struct error *err) {
    TRY(commands_flush(side->commands, err));
    return wait_for(side->stream, side->launched, side->kernels, err);
}

enum status side_stream_lead(struct side_stream *side, struct error *err) {
    TRY(commands_flush(side->commands, err));
    return wait_for(side->kernels, side->given, side->stream, err);
}

enum status side_stream_is_done(struct side_stream *side, bool *done, struct error *err) {
    cudaError_t code = cudaEventQuery(side->given);
    *done = code == cudaSuccess;
    if (code != cudaErrorNotReady) return succeeded(err, code);
    cudaGetLastError(); // "not yet" is an answer, not the failure of a launch
    return STATUS_OK;
}
