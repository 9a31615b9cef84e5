// Graphs of the emulated device: what a stream was given while it was captured, to be given again.
// CUDA_EMULATOR_CAPTURE=refused: none can be had.
#include <cstdlib>

#include "memory.h"
#include "stream.h"

struct emulated_graph {
    std::vector<emulator_work> work;
};

struct emulated_graph_exec {
    std::vector<emulator_work> work;
};

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    const emulator_turn turn;
    if (emulator_capture_of(stream)) return cudaErrorInvalidValue;
    emulator_capture_of(stream) =
        new emulator_capture{{}, getenv("CUDA_EMULATOR_CAPTURE") != nullptr};
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    const emulator_turn turn;
    emulator_capture *capture = emulator_capture_of(stream);
    *graph = nullptr;
    if (!capture) return cudaErrorInvalidValue;
    cudaError_t code = capture->is_invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
    if (code == cudaSuccess) *graph = new emulated_graph{std::move(capture->work)};
    emulator_capture_of(stream) = nullptr;
    delete capture;
    emulator_set_last_error(code);
    return code;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
    *exec = new emulated_graph_exec{graph->work};
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    delete exec;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    const emulator_turn turn;
    if (emulator_refuses_in_capture(stream)) return cudaErrorStreamCaptureUnsupported;
    emulator_counted.graphs++;
    for (const emulator_work &work : exec->work)
        emulator_enqueue_work(stream, work);
    return cudaSuccess;
}
