#include "nn/cuda/stopwatch.h"

static bool check(struct nn *nn, cudaError_t code) {
    if (code != cudaSuccess)
        nn_fail(nn, STATUS_DEVICE, "CUDA: measuring: %s", cudaGetErrorString(code));
    return code == cudaSuccess;
}

static void destroy(cudaEvent_t event) {
    if (event) cudaEventDestroy(event);
}

void stopwatch_start(struct nn *nn, struct stopwatch *watch) {
    *watch = {NULL, NULL};
    if (nn_failed(nn)) return;
    if (check(nn, cudaEventCreateWithFlags(&watch->begin, cudaEventDefault)) &&
        check(nn, cudaEventCreateWithFlags(&watch->end, cudaEventDefault)))
        check(nn, cudaEventRecord(watch->begin, cuda_stream(nn)));
}

double stopwatch_stop(struct nn *nn, struct stopwatch *watch) {
    float milliseconds = 0;
    if (!nn_failed(nn) && check(nn, cudaEventRecord(watch->end, cuda_stream(nn))) &&
        check(nn, cudaEventSynchronize(watch->end)))
        check(nn, cudaEventElapsedTime(&milliseconds, watch->begin, watch->end));
    destroy(watch->begin);
    destroy(watch->end);
    return (double)milliseconds * 1e-3;
}
