// Opening the CUDA module: what is missing, or does not fit, is one sentence.
#include <stdlib.h>

#include "nn/nn.h"
#include "tests/harness.h"

static void expect_failure(struct nn_options options, enum status expected, const char *part) {
    struct nn *nn = NULL;
    struct error err = {0};
    options.device = NN_CUDA;
    EXPECT_STATUS(nn_create(&nn, &options, &err), expected, &err);
    EXPECT(nn == NULL);
    EXPECT_CONTAINS(err.message, part);
}

static void no_module(void) {
    expect_failure((struct nn_options){.cuda_module = "/nowhere/cuda.so"}, STATUS_DEVICE,
                   "CUDA: cannot open /nowhere/cuda.so");
    // The one beside the program, where there is none.
    expect_failure((struct nn_options){0}, STATUS_DEVICE, "gctmask-cuda.so");
    expect_failure((struct nn_options){.cuda_module = NO_BACKEND}, STATUS_DEVICE,
                   "is not a module of this program");
}

static void no_device(void) {
    setenv("CUDA_EMULATOR_DEVICES", "0", 1);
    expect_failure((struct nn_options){.cuda_module = CUDA_MODULE}, STATUS_DEVICE,
                   "CUDA: no device can be used: no CUDA-capable device is detected");
    setenv("CUDA_EMULATOR_DEVICES", "2", 1);
    expect_failure((struct nn_options){.cuda_module = CUDA_MODULE, .device_number = 2},
                   STATUS_DEVICE, "CUDA: device 2 is not there, expected 0 to 1");
    unsetenv("CUDA_EMULATOR_DEVICES");
}

static void old_device(void) {
    setenv("CUDA_EMULATOR_CAPABILITY", "70", 1);
    expect_failure((struct nn_options){.cuda_module = CUDA_MODULE}, STATUS_DEVICE,
                   "has compute capability 7.0, expected 7.5 or more");
    unsetenv("CUDA_EMULATOR_CAPABILITY");
}

static void no_memory(void) {
    expect_failure(
        (struct nn_options){.cuda_module = CUDA_MODULE, .memory_bytes = (int64_t)1 << 50},
        STATUS_MEMORY, "CUDA: step memory: out of memory");
}

static void no_bf16(void) {
    struct nn *nn = NULL;
    struct error err = {0};
    const struct nn_options options = {
        .device = NN_CUDA, .precision = NN_BF16, .cuda_module = CUDA_MODULE};
    EXPECT_STATUS(nn_create(&nn, &options, &err), STATUS_UNSUPPORTED, &err);
}

static void opens(void) {
    struct nn *nn = NULL;
    struct error err;
    const struct nn_options options = {.device = NN_CUDA, .cuda_module = CUDA_MODULE};
    EXPECT_OK(nn_create(&nn, &options, &err), &err);
    REQUIRE(nn != NULL);
    EXPECT(nn_tensor(nn, 1, 2, 3, 4)->data != NULL);
    nn_destroy(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"no_module", no_module},
                                          {"no_device", no_device},
                                          {"old_device", old_device},
                                          {"no_memory", no_memory},
                                          {"no_bf16", no_bf16},
                                          {"opens", opens},
                                          {0}});
}
