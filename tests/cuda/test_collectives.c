// Sums over the devices of several processes, by what stands in for NCCL on the emulated device:
// right sums, and an end for all where one process, or NCCL, fails or hangs. On a machine with
// several GPUs: right sums by NCCL itself.
#include <stdio.h>
#include <stdlib.h>

#include "nn/cuda/nccl.h"
#include "tests/gpu.h"
#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_ranks.h"

static bool is_emulated(void) {
    return strcmp(tested_cuda_module(CUDA_MODULE), CUDA_MODULE) == 0;
}

// Runs device_ranks.c's case behind some bash and a launcher. Returns the exit code; 124 if it did
// not end by itself.
static int run_launched(const char *before, const char *launcher, const char *name) {
    char line[2048];
    const char *launch = getenv("CUDA_EMULATOR_LAUNCH");
    const char *order = getenv("CUDA_EMULATOR_ORDER");
    snprintf(line, sizeof line,
             RANKS_ENVIRONMENT "export CUDA_EMULATOR_DEVICES=2 CUDA_EMULATOR_LAUNCH=%s "
                               "CUDA_EMULATOR_ORDER=%s GCTMASK_CUDA_MODULE='%s'\n%s\n"
                               "exec timeout 120 %s" DEVICE_RANKS " %s",
             launch ? launch : "now", order ? order : "forward", tested_cuda_module(CUDA_MODULE),
             before, launcher, name);
    return run_program(line);
}

static int run_ranks(const char *before, const char *name) {
    if (run_program("command -v mpirun") != 0)
        skip_case("mpirun is not installed (package openmpi-bin)");
    return run_launched(before, MPIRUN(2), name);
}

#define STAND_IN       "export LD_LIBRARY_PATH='" STAND_IN_FOLDER "'"
#define FAULTY(faults) STAND_IN " NCCL_STAND_IN=" faults

// Which one GPU is enough for.
static void alone(void) {
    int code = run_launched(is_emulated() ? STAND_IN : "", "", "alone");
    if (!is_emulated() && strstr(program_errors, "no device can be used"))
        skip_case("this machine has no GPU");
    EXPECT_INT(code, 0);
    EXPECT_TEXT(program_output, "alone\n");
    EXPECT_TEXT(program_errors, "");
}

static void sums(void) {
    int code = run_ranks(is_emulated() ? STAND_IN : "", "sums");
    if (!is_emulated() && (strstr(program_errors, "no device can be used") ||
                           strstr(program_errors, "is not there, expected 0 to 0")))
        skip_case("this machine has less than two GPUs");
    EXPECT_INT(code, 0);
    EXPECT_CONTAINS(program_output, "by NCCL 2.");
    EXPECT_CONTAINS(program_output, "2 ranks agree\n");
    EXPECT_TEXT(program_errors, "");
}

static void need_emulator(void) {
    if (!is_emulated()) skip_case("only the library that stands in for NCCL fails at will");
}

// ---- NCCL is not there, or does not connect: MPI sums ----

static void expect_mpi(const char *before, const char *name, const char *reason) {
    need_emulator();
    EXPECT_INT(run_ranks(before, name), 0);
    EXPECT_CONTAINS(program_output, reason);
    EXPECT_CONTAINS(program_output, "2 ranks agree\n");
    EXPECT_TEXT(program_errors, "");
}

static void not_there(void) {
    expect_mpi("mkdir -p $SCRATCH/broken; >$SCRATCH/broken/libnccl.so.2\n"
               "export LD_LIBRARY_PATH=$SCRATCH/broken",
               "sums", "by NCCL: cannot open ");
    expect_mpi(FAULTY("old"), "sums", "NCCL: libnccl.so.2 is version 2.10, expected 2.20 or later");
}

static void shared_device(void) {
    expect_mpi(STAND_IN, "share", "NCCL: ranks 0 and 1 share a device");
}

// Whoever fails is named, not who waits for it.
static void no_connection(void) {
    expect_mpi(FAULTY("fail_init"), "hurt",
               "by rank 1: NCCL: connecting devices: a remote error: of the stand-in\n");
    expect_mpi(FAULTY("hang_init"), "hurt", "by NCCL: after 6 s the devices are not connected\n");
}

// ---- Ends ----

// The case ends by itself, as a failure, and somebody says what the reason was.
static void expect_end(const char *before, const char *name, const char *message) {
    need_emulator();
    int code = run_ranks(before, name);
    EXPECT(code != 0);
    EXPECT(code != 124);
    EXPECT_CONTAINS(program_errors, message);
}

static void process_ends(void) {
    expect_end(STAND_IN, "killed", "signal 9 (Killed)");
    expect_end(STAND_IN, "stopped", "rank 1 (process ");
    EXPECT_CONTAINS(program_errors, "has not been heard of for 2 s");
    expect_end(STAND_IN, "stuck", "rank 1 (process ");
    EXPECT_CONTAINS(program_errors, "is stuck: it has made no progress for 2 s");
    expect_end(STAND_IN, "fails", "device_ranks: rank 1: photo.jpg: this is no photo\n");
}

static void sum_fails(void) {
    expect_end(FAULTY("fail_sum"), "hurt",
               "device_ranks: rank 1: NCCL: a sum over devices: a remote error: of the stand-in\n");
}

static void sum_hangs(void) {
    expect_end(FAULTY("hang_sum"), "hurt",
               "all 2 processes have waited for 2 s for a sum over their devices: NCCL, or what "
               "connects the devices, hangs");
    // Not even its end comes to an end.
    expect_end(FAULTY("hang_sum,hang_abort"), "hurt", "for a sum over their devices");
}

// ---- The library itself ----

static void real_library(void) {
    struct nccl nccl;
    struct nccl_id ids[2] = {0};
    struct error err;
    static const char PATH[] = "/usr/local/cuda/lib/libnccl.so.2";
    if (run_program("test -e /usr/local/cuda/lib/libnccl.so.2") != 0)
        skip_case("NCCL is not at /usr/local/cuda/lib");
    enum status status = nccl_open(&nccl, PATH, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    for (int i = 0; i < 2; i++)
        EXPECT_INT(nccl.ncclGetUniqueId(&ids[i]), NCCL_SUCCESS);
    EXPECT(memcmp(&ids[0], &ids[1], sizeof ids[0]) != 0);
    EXPECT_STATUS(nccl_status(&nccl, NULL, NCCL_INVALID_USAGE, "a test", &err), STATUS_DEVICE,
                  &err);
    EXPECT_CONTAINS(err.message, "NCCL: a test: invalid usage");
}

static void no_library(void) {
    struct nccl nccl;
    struct error err;
    EXPECT_STATUS(nccl_open(&nccl, "/nowhere/libnccl.so.2", &err), STATUS_DEVICE, &err);
    EXPECT_CONTAINS(err.message, "NCCL: cannot open /nowhere/libnccl.so.2");
    EXPECT_STATUS(nccl_open(&nccl, CUDA_MODULE, &err), STATUS_DEVICE, &err);
    EXPECT_CONTAINS(err.message, " has no ncclGetVersion");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"alone", alone},
                                          {"sums", sums},
                                          {"not_there", not_there},
                                          {"shared_device", shared_device},
                                          {"no_connection", no_connection},
                                          {"process_ends", process_ends},
                                          {"sum_fails", sum_fails},
                                          {"sum_hangs", sum_hangs},
                                          {"real_library", real_library},
                                          {"no_library", no_library},
                                          {0}});
}
