#include "nn/cuda/devices.h"

#include "nn/cuda/cublas/products.h"
#include "nn/cuda/cudnn/products.h"

enum { OLDEST_MAJOR = 7, OLDEST_MINOR = 5 }; // what CUDA 13 compiles for

enum status cuda_failure(struct error *err, const char *what, cudaError_t code) {
    return error_set(err, code == cudaErrorMemoryAllocation ? STATUS_MEMORY : STATUS_DEVICE,
                     "CUDA: %s: %s", what, cudaGetErrorString(code));
}

enum status cuda_out_of_memory(struct error *err, const char *what, int64_t so_far, int64_t more) {
    char beside[64] = "";
    size_t available = 0;
    size_t total = 0;
    if (cudaMemGetInfo(&available, &total) != cudaSuccess)
        return cuda_failure(err, what, cudaErrorMemoryAllocation);
    if (so_far > 0)
        snprintf(beside, sizeof beside, " %.0f MiB more than so far,", (double)more / 0x1p20);
    return error_set(err, STATUS_MEMORY,
                     "CUDA: %s: out of memory: %.0f MiB are wanted,%s and %.0f of the device's "
                     "%.0f MiB are free",
                     what, (double)(so_far + more) / 0x1p20, beside, (double)available / 0x1p20,
                     (double)total / 0x1p20);
}

static enum status check_properties(int number, const cudaDeviceProp *properties,
                                    struct error *err) {
    if (properties->major * 10 + properties->minor < OLDEST_MAJOR * 10 + OLDEST_MINOR)
        return error_set(err, STATUS_DEVICE,
                         "CUDA: device %d (%s) has compute capability %d.%d, expected %d.%d or "
                         "more",
                         number, properties->name, properties->major, properties->minor,
                         OLDEST_MAJOR, OLDEST_MINOR);
    return STATUS_OK;
}

static enum status count_devices(int *count, struct error *err) {
    *count = 0;
    cudaError_t code = cudaGetDeviceCount(count);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "no device can be used", code);
}

enum status cuda_check_device(int number, cudaDeviceProp *properties, struct error *err) {
    int count = 0;
    TRY(count_devices(&count, err));
    if (number < 0 || number >= count)
        return error_set(err, STATUS_DEVICE, "CUDA: device %d is not there, expected 0 to %d",
                         number, count - 1);
    cudaError_t code = cudaGetDeviceProperties(properties, number);
    if (code != cudaSuccess) return cuda_failure(err, "the device's properties", code);
    return check_properties(number, properties, err);
}

// ---- For people ----

static void describe_device(struct cuda_device_facts *facts, int number) {
    cudaDeviceProp properties = {};
    *facts = {};
    (void)!cuda_check_device(number, &properties, &facts->refusal);
    snprintf(facts->name, sizeof facts->name, "%s", properties.name);
    facts->major = properties.major;
    facts->minor = properties.minor;
    facts->memory_bytes = (int64_t)properties.totalGlobalMem;
}

enum status cuda_describe(struct cuda_facts *facts, struct error *err) {
    int count = 0;
    cudaRuntimeGetVersion(&facts->toolkit);
    cudaDriverGetVersion(&facts->driver);
    TRY(count_devices(&count, err));
    int usable = 0;
    facts->num_devices = count < CUDA_MAX_DEVICES ? count : CUDA_MAX_DEVICES;
    for (int i = 0; i < facts->num_devices; i++) {
        describe_device(&facts->devices[i], i);
        usable += facts->devices[i].refusal.code == STATUS_OK;
    }
    cublas_describe(facts->matrix_library, sizeof facts->matrix_library);
    if (usable > 0) return cudnn_describe(facts->library, sizeof facts->library, err);
    return error_set(err, STATUS_DEVICE, "%s", facts->devices[0].refusal.message);
}
