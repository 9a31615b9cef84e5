// Devices as people write them.
#include "nn/nn.h"
#include "tests/harness.h"

static void expect_device(const char *text, enum nn_device device, int number) {
    struct nn_options options = {.device_number = 77};
    struct error err = {0};
    EXPECT_OK(nn_options_set_device(&options, text, &err), &err);
    EXPECT_INT(options.device, device);
    EXPECT_INT(options.device_number, number);
}

static void devices(void) {
    expect_device("cpu", NN_CPU, 0);
    expect_device("cuda", NN_CUDA, 0);
    expect_device("cuda:0", NN_CUDA, 0);
    expect_device("cuda:1", NN_CUDA, 1);
    expect_device("cuda:12", NN_CUDA, 12);
    expect_device("cuda:999", NN_CUDA, 999);
}

static void others(void) {
    static const char *const texts[] = {
        "",      "gpu",       "CUDA",    "cpu:0", "cuda:",    "cuda:-1", "cuda:1x", "cuda: 1",
        "cuda1", "cuda:1000", "cuda:+1", "cud",   "cuda:0,1", "cuda:0 ", NULL};
    for (int i = 0; texts[i]; i++) {
        struct nn_options options = {.device = NN_PLAN, .device_number = 77};
        struct error err = {0};
        EXPECT_STATUS(nn_options_set_device(&options, texts[i], &err), STATUS_USAGE, &err);
        EXPECT_CONTAINS(err.message, "device: expected cpu, cuda or cuda:N, found \"");
        EXPECT_CONTAINS(err.message, texts[i]);
        EXPECT(options.device == NN_PLAN && options.device_number == 77);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"devices", devices}, {"others", others}, {0}});
}
