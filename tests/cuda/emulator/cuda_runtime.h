// Stands in for the CUDA toolkit's header of the same name, so that unchanged .cu files are
// compiled by an ordinary C++ compiler and run on the processor. What it catches:
// nn/cuda/README.md.
//
// Here is only what our kernels and their host code use. Whatever can wait carries the line that it
// was called from, for reports.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <type_traits>

// ---- Words of the language ----

#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __shared__   static // a block runs on one thread of the system, and one at a time
#define __constant__ static
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))

// ---- Types ----

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned nx = 1, unsigned ny = 1, unsigned nz = 1) : x(nx), y(ny), z(nz) {
    }
};

struct float2 {
    float x, y;
};

struct alignas(16) float4 {
    float x, y, z, w;
};

static inline float4 make_float4(float x, float y, float z, float w) {
    return float4{x, y, z, w};
}

// ---- Threads ----

// What a kernel's thread sees of itself, and what all threads of its block do.
struct emulated_thread {
    uint3 index;
    unsigned lane;
};

struct emulated_block {
    uint3 index;
    dim3 size, grid_size;
    void *dynamic_shared;
};

extern emulated_thread *emulated; // NULL while no kernel runs
extern emulated_block emulated_place;

#define threadIdx (emulated->index)
#define blockIdx  (emulated_place.index)
#define blockDim  (emulated_place.size)
#define gridDim   (emulated_place.grid_size)
constexpr int warpSize = 32;

typedef struct emulated_stream *cudaStream_t;
typedef struct emulated_event *cudaEvent_t;
typedef struct emulated_graph *cudaGraph_t;
typedef struct emulated_graph_exec *cudaGraphExec_t;

// body is what one thread does.
void emulator_launch(cudaStream_t stream, const char *kernel, dim3 grid, dim3 block,
                     size_t shared_bytes, const std::function<void()> &body);
uint32_t emulator_running_launch(); // a number, from 1
void emulator_check_pointer(const char *kernel, int argument, const void *pointer);
void emulator_barrier(int line);
// Gives value to the lanes of mask, and result that of lane source.
void emulator_exchange(unsigned mask, const void *value, void *result, size_t bytes,
                       unsigned source, int line);
unsigned emulator_ballot(unsigned mask, bool vote, int line);

template <class Type>
void emulator_check_argument(const char *kernel, int argument, const Type &value) {
    if constexpr (std::is_pointer_v<Type>) emulator_check_pointer(kernel, argument, value);
}

template <class Kernel, class... Arguments>
void emulator_run(cudaStream_t stream, const char *name, Kernel kernel, dim3 grid, dim3 block,
                  size_t shared_bytes, Arguments... arguments) {
    int argument = 0;
    (emulator_check_argument(name, argument++, arguments), ...);
    emulator_launch(stream, name, grid, block, shared_bytes, [=] { kernel(arguments...); });
}

#define GPU_LAUNCH_AS(name, kernel, grid, block, shared_bytes, stream, ...)                        \
    emulator_run(stream, name, kernel, dim3(grid), dim3(block), shared_bytes, __VA_ARGS__)
#define GPU_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                 \
    GPU_LAUNCH_AS(#kernel, kernel, grid, block, shared_bytes, stream, __VA_ARGS__)
#define GPU_DYNAMIC_SHARED(type, name)                                                             \
    type *name = static_cast<type *>(emulated_place.dynamic_shared)

inline void __syncthreads(int line = __builtin_LINE()) {
    emulator_barrier(line);
}

template <class Type>
Type __shfl_sync(unsigned mask, Type value, int source, int width = 32,
                 int line = __builtin_LINE()) {
    Type result;
    unsigned first = emulated->lane & ~(unsigned)(width - 1);
    emulator_exchange(mask, &value, &result, sizeof value,
                      first + ((unsigned)source & (unsigned)(width - 1)), line);
    return result;
}

template <class Type>
Type __shfl_down_sync(unsigned mask, Type value, unsigned by, int width = 32,
                      int line = __builtin_LINE()) {
    Type result;
    unsigned lane = emulated->lane;
    unsigned within = lane & (unsigned)(width - 1);
    emulator_exchange(mask, &value, &result, sizeof value,
                      within + by < (unsigned)width ? lane + by : lane, line);
    return result;
}

template <class Type>
Type __shfl_xor_sync(unsigned mask, Type value, int by, int line = __builtin_LINE()) {
    Type result;
    emulator_exchange(mask, &value, &result, sizeof value, emulated->lane ^ (unsigned)by, line);
    return result;
}

inline unsigned __ballot_sync(unsigned mask, bool vote, int line = __builtin_LINE()) {
    return emulator_ballot(mask, vote, line);
}

inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
    emulator_ballot(mask, false, line);
}

// Blocks run one after the other, and what a thread wrote is there for all.
inline void __threadfence() {
}

// One thread runs at a time, so plain sums and their like are atomic.
template <class Type> Type atomicAdd(Type *at, Type value) {
    Type old = *at;
    *at = old + value;
    return old;
}

template <class Type> Type atomicMax(Type *at, Type value) {
    Type old = *at;
    *at = old < value ? value : old;
    return old;
}

template <class Type> Type atomicXor(Type *at, Type value) {
    Type old = *at;
    *at = old ^ value;
    return old;
}

inline int __popc(unsigned x) {
    return __builtin_popcount(x);
}

inline int __popcll(unsigned long long x) {
    return __builtin_popcountll(x);
}

inline int __ffs(int x) {
    return __builtin_ffs(x);
}

inline int __ffsll(long long x) {
    return __builtin_ffsll(x);
}

inline unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// ---- The runtime's functions ----

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorNotReady = 600,
    cudaErrorLaunchFailure = 719,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901,
};
enum cudaMemcpyKind {
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3,
    cudaMemcpyDefault = 4,
};
struct cudaDeviceProp {
    char name[256];
    int major, minor;
    size_t totalGlobalMem;
};
enum cudaDriverEntryPointQueryResult {
    cudaDriverEntryPointSuccess = 0,
    cudaDriverEntryPointSymbolNotFound = 1,
};
constexpr unsigned long long cudaEnableDefault = 0;
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };
constexpr unsigned cudaMemAttachGlobal = 1;
constexpr unsigned cudaStreamNonBlocking = 1;
constexpr unsigned cudaEventDefault = 0;
constexpr unsigned cudaEventDisableTiming = 2;

const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version,
                                             unsigned long long flags,
                                             cudaDriverEntryPointQueryResult *result);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device);
cudaError_t cudaMemGetInfo(size_t *available, size_t *total);
cudaError_t cudaDeviceGetPCIBusId(char *text, int bytes, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaMalloc(void **pointer, size_t bytes);
cudaError_t cudaMallocManaged(void **pointer, size_t bytes, unsigned flags = cudaMemAttachGlobal);
cudaError_t cudaFree(void *pointer);
cudaError_t cudaMallocHost(void **pointer, size_t bytes);
cudaError_t cudaFreeHost(void *pointer);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
// A thousandth of a millisecond for each kernel that was launched between the two.
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
