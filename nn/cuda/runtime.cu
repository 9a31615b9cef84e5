// The device itself: opening, memory, copies; and the functions of nn/nn.h that kernels call, which
// the module has from the program.

#include "nn/cuda/cublas/products.h"
#include "nn/cuda/cudnn/products.h"
#include "nn/cuda/devices.h"
#include "nn/cuda/kernel.h"
#include "nn/cuda/side_stream.h"
#include "nn/cuda/step_memory.h"

#include <stdlib.h>

struct cuda_device {
    int number;
    int64_t total_bytes; // of its memory
    cudaStream_t stream;
    struct commands *commands;
    struct step_memory *step_memory; // NULL before it is asked for
    unsigned *tickets;               // cuda_tickets
    struct plans *plans;             // of cuDNN; NULL without it
    struct matmuls *matmuls;         // of cuBLAS; NULL without it
};

// ---- Opening ----

// Who looks for a kernel that fails wants it to be known when it is launched.
static bool is_blocking() {
    const char *value = getenv("CUDA_LAUNCH_BLOCKING");
    return value && strcmp(value, "0") != 0;
}

static enum status device_open(struct cuda_device **result, int number, bool no_graphs,
                               struct error *err) {
    *result = NULL;
    cudaDeviceProp properties;
    TRY(cuda_check_device(number, &properties, err));
    cudaError_t code = cudaSetDevice(number);
    if (code != cudaSuccess) return cuda_failure(err, "the device cannot be used", code);
    cudaStream_t stream = NULL;
    code = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    if (code != cudaSuccess) return cuda_failure(err, "a stream", code);
    unsigned *tickets = NULL;
    code = cudaMalloc((void **)&tickets, NUM_TICKETS * sizeof *tickets);
    if (code == cudaSuccess)
        code = cudaMemsetAsync(tickets, 0, NUM_TICKETS * sizeof *tickets, stream);
    if (code != cudaSuccess) return cuda_failure(err, "counters of blocks", code);
    *result = new cuda_device{
        number, (int64_t)properties.totalGlobalMem, stream, NULL, NULL, tickets, NULL, NULL};
    TRY(commands_open(&(*result)->commands, stream, no_graphs || is_blocking(), err));
    TRY(cudnn_plans_open(&(*result)->plans, number, stream, err));
    return cublas_matmuls_open(&(*result)->matmuls, err);
}

static void device_close(struct cuda_device *device) {
    if (!device) return;
    cudaStreamSynchronize(device->stream);
    commands_close(device->commands);
    cublas_matmuls_close(device->matmuls);
    cudnn_plans_close(device->plans);
    step_memory_close(device->step_memory);
    cudaStreamDestroy(device->stream);
    cudaFree(device->tickets);
    delete device;
}

static int64_t device_total_bytes(const struct cuda_device *device) {
    return device->total_bytes;
}

// Which device a call of CUDA is for is a matter of the thread that makes it.
static enum status device_enter(struct cuda_device *device, struct error *err) {
    cudaError_t code = cudaSetDevice(device->number);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "the device cannot be used", code);
}

static enum status device_allocate(struct cuda_device *device, int64_t bytes, void **memory,
                                   struct error *err) {
    TRY(device_enter(device, err));
    cudaError_t code = cudaMalloc(memory, (size_t)bytes);
    if (code == cudaSuccess) return STATUS_OK;
    cudaGetLastError(); // it is no launch that failed
    if (code == cudaErrorMemoryAllocation) return cuda_out_of_memory(err, "memory", 0, bytes);
    return cuda_failure(err, "memory", code);
}

static enum status device_allocate_shared(struct cuda_device *device, int64_t bytes, void **memory,
                                          struct error *err) {
    TRY(device_enter(device, err));
    cudaError_t code = cudaMallocManaged(memory, (size_t)bytes, cudaMemAttachGlobal);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "managed memory", code);
}

static enum status device_reserve(struct cuda_device *device, int64_t bytes, void **begin,
                                  struct error *err) {
    CHECK(!device->step_memory);
    TRY(device_enter(device, err));
    return step_memory_open(&device->step_memory, device->number, bytes, begin, err);
}

static enum status device_grow(struct cuda_device *device, int64_t end, int64_t *usable,
                               struct error *err) {
    return step_memory_grow(device->step_memory, end, usable, err);
}

static enum status device_allocate_pinned(struct cuda_device *device, int64_t bytes, void **memory,
                                          struct error *err) {
    TRY(device_enter(device, err));
    cudaError_t code = cudaMallocHost(memory, (size_t)bytes);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "pinned memory", code);
}

static void device_release_pinned(struct cuda_device *device, void *memory) {
    cudaStreamSynchronize(device->stream);
    cudaFreeHost(memory);
}

static enum status device_clear(struct cuda_device *device, void *memory, int64_t bytes,
                                struct error *err) {
    TRY(commands_flush(device->commands, err));
    cudaError_t code = cudaMemsetAsync(memory, 0, (size_t)bytes, device->stream);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "clearing memory", code);
}

static enum status device_copy(struct cuda_device *device, void *to, const void *from,
                               int64_t bytes, struct error *err) {
    TRY(commands_flush(device->commands, err));
    cudaError_t code = cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDefault, device->stream);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "a copy", code);
}

static void device_release(struct cuda_device *device, void *memory) {
    cudaStreamSynchronize(device->stream);
    cudaFree(memory);
}

static enum status device_check_launches(struct error *err) {
    cudaError_t code = cudaGetLastError();
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "a kernel cannot be launched", code);
}

static enum status device_synchronise(struct cuda_device *device, struct error *err) {
    TRY(commands_flush(device->commands, err));
    cudaError_t code = cudaStreamSynchronize(device->stream);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "a kernel failed", code);
}

static enum status device_place(const struct cuda_device *device, char place[CUDA_PLACE_BYTES],
                                struct error *err) {
    cudaError_t code = cudaDeviceGetPCIBusId(place, CUDA_PLACE_BYTES, device->number);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "the device's bus", code);
}

extern "C" __attribute__((visibility("default"))) const struct cuda_backend *
gctmask_cuda_backend(void) {
    static const struct cuda_backend BACKEND = {
        cuda_backend_layout(),
        {
#define OP(name)      {cuda_##name##_forward, cuda_##name##_backward},
#define FORWARD(name) {cuda_##name##_forward, NULL},
#include "nn/ops.def"
#undef OP
#undef FORWARD
        },
        device_open,
        device_close,
        device_enter,
        device_total_bytes,
        device_reserve,
        device_grow,
        device_allocate,
        device_allocate_shared,
        device_allocate_pinned,
        device_release,
        device_release_pinned,
        device_clear,
        device_copy,
        device_check_launches,
        device_synchronise,
        device_place,
        {side_stream_open, side_stream_close, side_stream_handle, side_stream_follow,
         side_stream_lead, side_stream_is_done},
        cuda_describe,
    };
    return &BACKEND;
}

struct commands *cuda_commands(const struct nn *nn) {
    return nn->cuda->device->commands;
}

cudaStream_t cuda_stream(struct nn *nn) {
    struct error err;
    if (commands_flush(cuda_commands(nn), &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s", err.message);
    return nn->cuda->device->stream;
}

unsigned *cuda_tickets(const struct nn *nn) {
    return nn->cuda->device->tickets;
}

struct plans *cuda_plans(const struct nn *nn) {
    return nn->cuda->device->plans;
}

struct matmuls *cuda_matmuls(const struct nn *nn) {
    return nn->cuda->device->matmuls;
}

// ---- The program's functions ----

extern "C" {

float *nn_scratch(struct nn *nn, int64_t num_floats) {
    return nn->cuda->services->scratch(nn, num_floats);
}

void nn_scratch_free(struct nn *nn, void *scratch) {
    nn->cuda->services->scratch_free(nn, scratch);
}

float *nn_own_memory(struct nn *nn, int64_t num_floats) {
    return nn->cuda->services->own_memory(nn, num_floats);
}

float *nn_grad(struct nn *nn, struct tensor *input, bool *add) {
    return nn->cuda->services->grad(nn, input, add);
}

bool nn_failed(const struct nn *nn) {
    return nn->failure.code != STATUS_OK;
}

void nn_fail(struct nn *nn, enum status code, const char *format, ...) {
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    nn->cuda->services->fail(nn, code, message);
}
}

// ---- Memory ----

static void check(struct nn *nn, const char *what, cudaError_t code) {
    if (code != cudaSuccess)
        nn_fail(nn, STATUS_DEVICE, "CUDA: %s: %s", what, cudaGetErrorString(code));
}

static bool lies_in(const void *data, const void *memory, int64_t bytes) {
    const char *at = (const char *)data;
    const char *begin = (const char *)memory;
    return at >= begin && at < begin + bytes;
}

static bool is_step_memory(const struct nn *nn, const void *data) {
    return lies_in(data, nn->memory, nn->heap.capacity);
}

// What lies in the program's memory is read now, so such a copy cannot wait in the list.
void cuda_copy(struct nn *nn, void *to, const void *from, int64_t bytes) {
    if (bytes == 0 || nn_failed(nn)) return;
    if (is_step_memory(nn, to) && is_step_memory(nn, from))
        command_add(nn, "a copy", [=](cudaStream_t stream, struct error *err) {
            cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDefault, stream);
            return command_launched("a copy", err);
        });
    else
        check(nn, "a copy",
              cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDefault, cuda_stream(nn)));
}

void cuda_zero(struct nn *nn, void *to, int64_t bytes) {
    if (bytes == 0) return;
    command_add(nn, "clearing memory", [=](cudaStream_t stream, struct error *err) {
        cudaMemsetAsync(to, 0, (size_t)bytes, stream);
        return command_launched("clearing memory", err);
    });
}

float *cuda_keep(struct nn *nn, int64_t num_floats) {
    return nn->cuda->services->keep(nn, num_floats);
}

void cuda_wait(struct nn *nn) {
    check(nn, "a kernel failed", cudaStreamSynchronize(cuda_stream(nn)));
}

// Step memory, parameters, pinned memory: the context knows all that there is.
static bool device_can_use(const struct nn *nn, const void *data) {
    if (is_step_memory(nn, data)) return true;
    for (const struct cuda_block *block = nn->cuda->blocks; block; block = block->next)
        if (lies_in(data, block->memory, block->bytes)) return true;
    return false;
}

void *operand_bytes(struct operands *operands, const void *data, int64_t bytes,
                    enum operand_use use) {
    struct nn *nn = operands->nn;
    if (!data || bytes == 0) return NULL;
    if (device_can_use(nn, data)) return (void *)data;
    CHECK(operands->count < MAX_OPERANDS);
    void *device = nn_scratch(nn, (bytes + 3) / (int64_t)sizeof(float));
    if (!device) return NULL;
    if (use != OPERAND_OUT) cuda_copy(nn, device, data, bytes);
    operands->copies[operands->count++] = {(void *)data, device, bytes, use != OPERAND_IN};
    return device;
}

void operands_end(struct operands *operands) {
    struct nn *nn = operands->nn;
    bool back = false;
    for (int i = 0; i < operands->count; i++) {
        const operands::copy &copy = operands->copies[i];
        if (!copy.back) continue;
        cuda_copy(nn, copy.host, copy.device, copy.bytes);
        back = true;
    }
    if (back) cuda_wait(nn);
    for (int i = operands->count - 1; i >= 0; i--)
        nn_scratch_free(nn, operands->copies[i].device);
    operands->count = 0;
}
