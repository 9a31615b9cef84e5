// gctmask train --device cuda in two processes that sum gradients on their devices, by what stands
// in for NCCL: the same training as in one, and an end for both where one dies or a sum hangs.
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_ranks.h"
#include "tests/tools/check_tensors.h"
#include "tests/tools/check_train.h"

#define STEPS(count)                                                                               \
    " --device cuda --log-every 1 --eval-every 0 --save-every 2 --keep 100 --set "                 \
    "$SMALL,schedule.iterations=" #count " --out $SCRATCH/"
#define OPTIONS STEPS(3)
#define RANKS   "exec " MPIRUN(2) GCTMASK " ${TRAIN#gctmask}"

// Shares of the largest number. Measured after 3 steps: 3.0e-8, in the momentum 4.3e-8.
static const double WEIGHTS_TOLERANCE = 1e-6;

// A line of bash as for run_train, on a machine with two emulated devices and the library that
// stands in for NCCL.
static int run(const char *line) {
    char whole[2600];
    const char *order = getenv("CUDA_EMULATOR_ORDER");
    snprintf(whole, sizeof whole,
             RANKS_ENVIRONMENT
             "export GCTMASK_CUDA_MODULE='" CUDA_MODULE "' LD_LIBRARY_PATH='" STAND_IN_FOLDER "'\n"
             "export CUDA_EMULATOR_DEVICES=2 CUDA_EMULATOR_LAUNCH=deferred CUDA_EMULATOR_ORDER=%s\n"
             "%s",
             order ? order : "random", line);
    REQUIRE(strlen(whole) < sizeof whole - 1);
    return run_train(whole);
}

static void begin(void) {
    if (run_program("command -v mpirun") != 0)
        skip_case("mpirun is not installed (package openmpi-bin)");
    train_set();
}

static void as_one_process(void) {
    begin();
    EXPECT_INT(run("$TRAIN" OPTIONS "one >/dev/null"), 0);
    EXPECT_INT(run(RANKS OPTIONS "two >/dev/null"), 0);
    EXPECT_TEXT(program_errors, "");
    double weights = compare_tensors("one/checkpoints/step-0000003/model.safetensors",
                                     "two/checkpoints/step-0000003/model.safetensors");
    double momentum = compare_tensors("one/checkpoints/step-0000003/momentum.safetensors",
                                      "two/checkpoints/step-0000003/momentum.safetensors");
    printf("         weights differ by %.1e, momentum by %.1e\n", weights, momentum);
    EXPECT(weights <= WEIGHTS_TOLERANCE);
    EXPECT(momentum <= WEIGHTS_TOLERANCE);
    EXPECT_INT(run("cat $SCRATCH/one/log.txt"), 0);
    EXPECT(!strstr(program_output, "gradients are summed"));
    EXPECT_INT(run("cat $SCRATCH/two/log.txt"), 0);
    EXPECT_CONTAINS(program_output, " gradients are summed by NCCL 2.28.9, on the devices\n");
}

static void without_nccl(void) {
    begin();
    EXPECT_INT(run("export NCCL_STAND_IN=old\n" RANKS " --dry-run" OPTIONS "none"), 0);
    EXPECT_CONTAINS(program_output,
                    " gradients are summed by MPI, which takes longer: NCCL: libnccl.so.2 is "
                    "version 2.10, expected 2.20 or later\n");
}

static void doctor(void) {
    EXPECT_INT(run("gctmask doctor"), 0);
    EXPECT_CONTAINS(program_output, "\nCUDA sums       NCCL 2.28.9\n");
    EXPECT_INT(run("export NCCL_STAND_IN=old; gctmask doctor"), 0);
    EXPECT_CONTAINS(program_output, "\nCUDA sums       of several by MPI: NCCL: libnccl.so.2 is ");
}

// Starts a run that does not end in the background, as $P, and waits for a checkpoint.
#define START                                                                                      \
    "set -m; " RANKS STEPS(5000) "hurt >$SCRATCH/log 2>$SCRATCH/errors & P=$!; set +m\n"           \
                                 "for ((i = 0; i < 1200; i++)); do [ -e "                          \
                                 "$SCRATCH/hurt/checkpoints/latest ] && break; "                   \
                                 "sleep 0.1; done\n"

static void one_is_killed(void) {
    begin();
    EXPECT_INT(run(START "kill -KILL $(pgrep -P $P | tail -1)\n" // the last of mpirun's children
                         "timeout 30 tail --pid=$P -f /dev/null || exit 99; wait $P"),
               137);
    EXPECT_INT(run_program("cat $SCRATCH/errors"), 0);
    EXPECT_CONTAINS(program_output, "on signal 9 (Killed)");
    EXPECT_INT(run_program("pgrep -f $SCRATCH/hurt"), 1);
}

static void a_sum_hangs(void) {
    begin();
    EXPECT_INT(run("export NCCL_STAND_IN=hang_sum\n" RANKS OPTIONS "hangs >/dev/null"), 75);
    EXPECT_CONTAINS(program_errors, "all 2 processes have waited for 2"); // 20 s, or 21
    EXPECT_CONTAINS(program_errors, " s for a sum over their devices: NCCL, or what connects the "
                                    "devices, hangs\n");
    EXPECT_INT(run_program("grep -A1 state $SCRATCH/hangs/run.json"), 0);
    EXPECT_CONTAINS(program_output, "\"failed\"");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"as_one_process", as_one_process},
                                          {"without_nccl", without_nccl},
                                          {"doctor", doctor},
                                          {"one_is_killed", one_is_killed},
                                          {"a_sum_hangs", a_sum_hangs},
                                          {0}});
}
