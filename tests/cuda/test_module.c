// Opening the CUDA module: what is missing, or does not fit, is one sentence.
#include <pthread.h>
#include <stdlib.h>

#include "nn/cuda/facts.h"
#include "nn/cuda/module.h"
#include "nn/nn.h"
#include "nn/softmax/softmax.h"
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

// ---- Memory ----

static struct nn *open_context(void) {
    struct nn *nn = NULL;
    struct error err;
    // More than there is means all that there is.
    const struct nn_options options = {
        .device = NN_CUDA, .cuda_module = CUDA_MODULE, .memory_bytes = (int64_t)1 << 50};
    EXPECT_OK(nn_create(&nn, &options, &err), &err);
    REQUIRE(nn != NULL);
    return nn;
}

// Takes so many MiB for the time of a step.
static void expect_step(struct nn *nn, int64_t mebibytes, const char *message) {
    struct error err = {0};
    nn_begin(nn, NN_INFERENCE);
    const struct tensor *t = nn_tensor(nn, mebibytes, 512, 512, 1);
    EXPECT((t->data == NULL) == (message != NULL));
    EXPECT_STATUS(nn_status(nn, &err), message ? STATUS_MEMORY : STATUS_OK, &err);
    EXPECT_TEXT(err.message, message ? message : "");
}

// A context takes what its steps need, so that two share a device; what is missing is said, and the
// next step, which needs less, goes on.
static void no_memory(void) {
    setenv("CUDA_EMULATOR_MEMORY", "512", 1);
    struct nn *first = open_context();
    struct nn *second = open_context();
    expect_step(first, 300, NULL);
    expect_step(second, 100, NULL);
    expect_step(second, 200,
                "CUDA: step memory: out of memory: 256 MiB are wanted, 128 MiB more than so far, "
                "and 64 of the device's 512 MiB are free");
    expect_step(second, 120, NULL);
    nn_destroy(first);
    expect_step(second, 200, NULL);
    expect_step(second, 600, "step memory: no room for 629145600 bytes beside 0 in use");
    nn_destroy(second);
    unsetenv("CUDA_EMULATOR_MEMORY");
}

static void no_memory_for_parameters(void) {
    void *memory = NULL;
    struct error err = {0};
    setenv("CUDA_EMULATOR_MEMORY", "64", 1);
    struct nn *nn = open_context();
    EXPECT_OK(cuda_allocate(nn, 48 << 20, &memory, &err), &err);
    EXPECT_STATUS(cuda_allocate(nn, 32 << 20, &memory, &err), STATUS_MEMORY, &err);
    EXPECT_TEXT(err.message, "CUDA: memory: out of memory: 32 MiB are wanted, and 16 of the "
                             "device's 64 MiB are free");
    EXPECT_OK(nn_status(nn, &err), &err);
    nn_destroy(nn);
    unsetenv("CUDA_EMULATOR_MEMORY");
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

// ---- Several devices ----

static void *compute(void *argument) {
    struct nn *nn = argument;
    struct error err;
    nn_begin(nn, NN_INFERENCE);
    struct tensor *x = nn_tensor(nn, 1, 1, 1, 2);
    float *values = nn_place(nn, x);
    REQUIRE(values != NULL);
    values[0] = values[1] = 3;
    nn_put(nn, x, values);
    const struct tensor *y = softmax_forward(nn, x);
    const float *result = nn_read(nn, y->data, tensor_bytes(y));
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT(result[0] == 0.5F && result[1] == 0.5F);
    return NULL;
}

// Contexts on two devices take turns, in the thread that made them and in another one: the emulator
// ends the program if a kernel is launched for a device that is not the thread's.
static void two_devices(void) {
    struct nn *nn[2] = {NULL};
    struct error err;
    setenv("CUDA_EMULATOR_DEVICES", "2", 1);
    for (int i = 0; i < 2; i++) {
        const struct nn_options options = {
            .device = NN_CUDA, .device_number = i, .cuda_module = CUDA_MODULE};
        EXPECT_OK(nn_create(&nn[i], &options, &err), &err);
        REQUIRE(nn[i] != NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        compute(nn[i % 2]);
        REQUIRE(pthread_create(&thread, NULL, compute, nn[i % 2]) == 0);
        pthread_join(thread, NULL);
    }
    for (int i = 0; i < 2; i++)
        nn_destroy(nn[i]);
    unsetenv("CUDA_EMULATOR_DEVICES");
}

// ---- What there is ----

static void facts(void) {
    static struct cuda_facts facts;
    struct error err = {0};
    setenv("GCTMASK_CUDA_MODULE", CUDA_MODULE, 1);
    EXPECT_OK(cuda_look(&facts, &err), &err);
    EXPECT_TEXT(facts.module, CUDA_MODULE);
    EXPECT((facts.sums[0] == '\0') == (facts.no_sums.code != STATUS_OK));
    EXPECT_INT(facts.toolkit, 13000);
    EXPECT_INT(facts.driver, 13010);
    EXPECT_TEXT(facts.library, "");
    EXPECT_TEXT(facts.matrix_library, "");
    EXPECT_INT(facts.num_devices, 1);
    EXPECT_TEXT(facts.devices[0].name, "emulated device");
    EXPECT_INT(facts.devices[0].major, 9);
    EXPECT_INT(facts.devices[0].memory_bytes, (int64_t)4 << 30);
    EXPECT_INT(facts.devices[0].refusal.code, STATUS_OK);
    unsetenv("GCTMASK_CUDA_MODULE");
}

static void facts_of_too_old(void) {
    static struct cuda_facts facts;
    struct error err = {0};
    setenv("GCTMASK_CUDA_MODULE", CUDA_MODULE, 1);
    setenv("CUDA_EMULATOR_DEVICES", "20", 1);
    setenv("CUDA_EMULATOR_CAPABILITY", "61", 1);
    EXPECT_STATUS(cuda_look(&facts, &err), STATUS_DEVICE, &err);
    EXPECT_CONTAINS(err.message, "device 0 (emulated device) has compute capability 6.1");
    EXPECT_INT(facts.num_devices, CUDA_MAX_DEVICES);
    EXPECT_CONTAINS(facts.devices[15].refusal.message, "device 15 ");
    setenv("CUDA_EMULATOR_DEVICES", "0", 1);
    EXPECT_STATUS(cuda_look(&facts, &err), STATUS_DEVICE, &err);
    EXPECT_CONTAINS(err.message, "no device can be used");
    EXPECT_INT(facts.num_devices, 0);
    EXPECT_INT(facts.toolkit, 13000);
    unsetenv("CUDA_EMULATOR_DEVICES");
    unsetenv("CUDA_EMULATOR_CAPABILITY");
    unsetenv("GCTMASK_CUDA_MODULE");
}

static void facts_without_module(void) {
    static struct cuda_facts facts;
    struct error err = {0};
    setenv("GCTMASK_CUDA_MODULE", NO_BACKEND, 1);
    EXPECT_STATUS(cuda_look(&facts, &err), STATUS_DEVICE, &err);
    EXPECT_CONTAINS(err.message, "is not a module of this program");
    unsetenv("GCTMASK_CUDA_MODULE");
    EXPECT_STATUS(cuda_look(&facts, &err), STATUS_DEVICE, &err);
    EXPECT_CONTAINS(err.message, "CUDA: gctmask-cuda.so is neither in ");
    EXPECT_CONTAINS(err.message, "/tests/cuda/ nor installed");
    EXPECT_INT(facts.num_devices, 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"no_module", no_module},
                                          {"no_device", no_device},
                                          {"old_device", old_device},
                                          {"no_memory", no_memory},
                                          {"no_memory_for_parameters", no_memory_for_parameters},
                                          {"opens", opens},
                                          {"two_devices", two_devices},
                                          {"facts", facts},
                                          {"facts_of_too_old", facts_of_too_old},
                                          {"facts_without_module", facts_without_module},
                                          {0}});
}
