#include "train/communicator.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"

// For processes of this machine, which have nothing to do with the network. Open MPI leaks, and
// that is not what is tested.
#define ENVIRONMENT                                                                                \
    "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1\n"                           \
    "export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader OMPI_MCA_oob_tcp_if_include=lo\n"             \
    "export LSAN_OPTIONS=suppressions=" TESTS_DIR "/train/openmpi.supp:print_suppressions=0\n"

static void need_mpirun(void) {
    if (run_program("command -v mpirun") != 0)
        skip_case("mpirun is not installed (package openmpi-bin)");
}

// Runs ranks.c's case in so many processes. Returns mpirun's exit code; 124 if it did not end by
// itself.
static int run_ranks(int num_ranks, const char *name) {
    char line[2048];
    need_mpirun();
    snprintf(line, sizeof line,
             ENVIRONMENT "exec timeout 600 mpirun --bind-to none --map-by slot:OVERSUBSCRIBE -np "
                         "%d " RANKS " %s",
             num_ranks, name);
    return run_program(line);
}

static void operations(void) {
    EXPECT_INT(run_ranks(2, "operations"), 0);
    EXPECT_TEXT(program_output, "2 ranks agree\n");
    EXPECT_INT(run_ranks(3, "operations"), 0);
    EXPECT_TEXT(program_output, "3 ranks agree\n");
    EXPECT_TEXT(program_errors, "");
    // mpirun starts it, but as the only one.
    EXPECT_INT(run_ranks(1, "operations"), 0);
    EXPECT_TEXT(program_output, "1 ranks agree\n");
}

// The case ends by itself, as a failure, and somebody says what the reason was.
static void expect_end(int num_ranks, const char *name, const char *message) {
    int code = run_ranks(num_ranks, name);
    EXPECT(code != 0);
    EXPECT(code != 124);
    EXPECT_CONTAINS(program_errors, message);
}

// How many times part is in what was printed.
static int count_errors(const char *part) {
    int count = 0;
    for (const char *at = program_errors; (at = strstr(at, part)); at++)
        count++;
    return count;
}

static void dead_process(void) {
    // These two mpirun sees itself.
    expect_end(2, "exits", "mpirun");
    expect_end(3, "killed", "process rank 1 with PID");
    EXPECT_CONTAINS(program_errors, "signal 9 (Killed)");
}

static void stopped_process(void) {
    expect_end(3, "stopped", "rank 1 (process ");
    EXPECT_CONTAINS(program_errors, "has not been heard of for 2 s");
    EXPECT_INT(count_errors("has not been heard of"), 1);
    expect_end(3, "first_stopped", "rank 0 (process ");
    EXPECT_CONTAINS(program_errors, "has not been heard of for 2 s");
    EXPECT_INT(count_errors("has not been heard of"), 1);
}

static void stuck_process(void) {
    expect_end(3, "stuck", "rank 1 (process ");
    EXPECT_CONTAINS(program_errors, "is stuck: it has made no progress for 2 s");
    EXPECT_INT(count_errors("is stuck"), 1);
    expect_end(2, "first_stuck", "rank 0 (process ");
    EXPECT_CONTAINS(program_errors, "is stuck: it has made no progress for 2 s");
    EXPECT_INT(count_errors("is stuck"), 1);
    expect_end(2, "allowed_once", "rank 1 (process ");
    EXPECT_CONTAINS(program_errors, "is stuck: it has made no progress for 2 s");
}

// The error of one process is what all end with, and it is printed once.
static void failing_process(void) {
    EXPECT_INT(run_ranks(3, "fails"), 64 + STATUS_DATA);
    EXPECT_CONTAINS(program_errors, "ranks: rank 1: photo.jpg: this is no photo\n");
    EXPECT_INT(count_errors("no photo"), 1);
    EXPECT_INT(run_ranks(3, "first_fails"), 64 + STATUS_DATA);
    EXPECT_CONTAINS(program_errors, "ranks: photo.jpg: this is no photo\n");
    EXPECT_INT(count_errors("no photo"), 1);
    EXPECT_INT(run_ranks(2, "fails_late"), 64 + STATUS_DATA);
    EXPECT_CONTAINS(program_errors, "ranks: rank 1: photo.jpg: this is no photo\n");
    EXPECT_INT(count_errors("no photo"), 1);
    // Where rank 0 does not listen, the communicator itself says it.
    expect_end(2, "fails_unheard", "gctmask: error: rank 1: photo.jpg: this is no photo\n");
    EXPECT_INT(count_errors("no photo"), 1);
}

static void disagreement(void) {
    // Different sums at the same time: MPI notices that they do not fit together.
    expect_end(2, "disagree", "MPI failed: ");
    expect_end(2, "one_barrier_less", "all 2 processes have waited for each other for 2 s");
}

static void slow_process(void) {
    EXPECT_INT(run_ranks(2, "slow"), 0);
    EXPECT_TEXT(program_output, "slow is not stuck\n");
    EXPECT_TEXT(program_errors, "");
}

// A launcher that starts processes without a way to find each other.
static void lost_processes(void) {
    need_mpirun();
    EXPECT_INT(run_program(ENVIRONMENT "SLURM_STEP_NUM_TASKS=4 exec " RANKS " operations"),
               64 + STATUS_USAGE);
    EXPECT_CONTAINS(program_errors, "4 processes were started, but MPI knows of 1");
}

// Without a launcher nothing is waited for and nothing is changed.
static void alone(void) {
    struct communicator_options options = {0};
    struct communicator *communicator = NULL;
    struct error err = {0};
    EXPECT_OK(communicator_open(&communicator, &options, &err), &err);
    REQUIRE(communicator);
    EXPECT(!communicator_is_launched());
    EXPECT_INT(communicator_rank(communicator), 0);
    EXPECT_INT(communicator_size(communicator), 1);
    float floats[2] = {1, 2};
    double doubles[2] = {3, 4};
    communicator_sum_start(communicator, floats, 2);
    EXPECT_OK(communicator_sum_wait(communicator, &err), &err);
    EXPECT_OK(communicator_sum_doubles(communicator, doubles, 2, &err), &err);
    EXPECT_OK(communicator_broadcast(communicator, doubles, sizeof doubles, &err), &err);
    EXPECT_OK(communicator_barrier(communicator, &err), &err);
    EXPECT(floats[0] == 1 && floats[1] == 2 && doubles[0] == 3 && doubles[1] == 4);

    struct arena arena;
    struct communicator_part *parts = NULL;
    arena_init(&arena, 1 << 10, 0);
    EXPECT_OK(communicator_gather(communicator, "words", 6, &arena, &parts, &err), &err);
    REQUIRE(parts);
    EXPECT_INT(parts[0].size, 6);
    EXPECT_TEXT(parts[0].bytes, "words");
    EXPECT_OK(communicator_gather(communicator, NULL, 0, &arena, &parts, &err), &err);
    EXPECT_INT(parts[0].size, 0);
    arena_destroy(&arena);

    communicator_tick(communicator);
    communicator_allow(communicator, 10);
    communicator_fail(communicator, &err);
    EXPECT_OK(communicator_close(communicator, &err), &err);
    EXPECT_OK(communicator_close(NULL, &err), &err);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"alone", alone},
                         {"operations", operations},
                         {"dead_process", dead_process},
                         {"stopped_process", stopped_process},
                         {"stuck_process", stuck_process},
                         {"failing_process", failing_process},
                         {"disagreement", disagreement},
                         {"slow_process", slow_process},
                         {"lost_processes", lost_processes},
                         {0},
                     });
}
