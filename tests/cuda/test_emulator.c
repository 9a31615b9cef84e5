// What the emulator must find, it finds: each faulty kernel runs in a process of its own.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cuda/faults.h"
#include "tests/harness.h"

// What the process that runs it writes to standard error before it ends; "" if it ends well.
static const char *report_of(bool (*run)(void)) {
    static char text[8192];
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        run();
        _exit(0);
    }
    close(ends[1]);
    size_t size = 0;
    ssize_t got = 0;
    while (size + 1 < sizeof text && (got = read(ends[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = 0;
    close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) text[0] = 0;
    return text;
}

static void sound_kernels(void) {
    EXPECT(turn_with_barrier());
    EXPECT(ballots_and_shuffles());
}

// In whichever order threads come, some read what is not there yet.
static void missing_barrier(void) {
    EXPECT(!turn_without_barrier());
}

static void out_of_bounds(void) {
    EXPECT_CONTAINS(report_of(write_behind_end),
                    "write_at: block (0, 0, 0) thread (3, 0, 0) reads or writes outside of all "
                    "memory");
    EXPECT_CONTAINS(report_of(read_before_begin), "outside of all memory");
    EXPECT_CONTAINS(report_of(shared_behind_end), "outside of all memory");
}

static void bad_shuffles(void) {
    EXPECT_CONTAINS(report_of(shuffle_with_absent), "shuffle: deadlock");
    EXPECT_CONTAINS(report_of(shuffle_with_absent), "for its warp");
    EXPECT_CONTAINS(report_of(shuffle_from_stranger), "takes no part in the exchange");
}

static void bad_barriers(void) {
    EXPECT_CONTAINS(report_of(barrier_in_a_branch), "threads wait at different barriers");
    // Who has ended is noticed when the last of the others comes.
    EXPECT_CONTAINS(report_of(barrier_after_an_end), "a barrier after some threads");
}

static void memory_of_the_other(void) {
    EXPECT_CONTAINS(report_of(host_pointer), "argument 0 is a pointer to host memory");
    EXPECT_CONTAINS(report_of(host_reads_device), "host code touches device memory");
    EXPECT(!uninitialised());
}

static void mapped_memory(void) {
    EXPECT(use_mapped());
    EXPECT_CONTAINS(report_of(host_reads_mapped), "host code touches device memory");
    EXPECT_CONTAINS(report_of(write_behind_mapped), "outside of all memory");
}

static void sound_waits(void) {
    EXPECT(read_after_waiting());
    EXPECT(copy_before_changing());
    EXPECT(read_pinned(true));
    unsetenv("CUDA_EMULATOR_LAUNCH");
}

static void missing_waits(void) {
    EXPECT_CONTAINS(report_of(read_without_waiting),
                    "host code touches managed memory without waiting for the device");
    EXPECT_CONTAINS(report_of(write_without_waiting), "without waiting for the device");
    EXPECT(!read_pinned(false));
    unsetenv("CUDA_EMULATOR_LAUNCH");
}

static void streams(void) {
    EXPECT_CONTAINS(report_of(foreign_stream),
                    "work for a stream of device 1 from a thread of device 0");
}

// How many of the orders that streams can come in give right results; in the end the order is as it
// was.
static int count_right(bool (*run)(void)) {
    static const char *const ORDERS[] = {"forward", "reverse", "random"};
    const char *order = getenv("CUDA_EMULATOR_ORDER");
    char before[16];
    int count = 0;
    snprintf(before, sizeof before, "%s", order ? order : "forward");
    for (int i = 0; i < 3; i++) {
        setenv("CUDA_EMULATOR_ORDER", ORDERS[i], 1);
        count += run();
    }
    setenv("CUDA_EMULATOR_ORDER", before, 1);
    unsetenv("CUDA_EMULATOR_LAUNCH");
    return count;
}

static void events(void) {
    EXPECT_INT(count_right(used_and_changed_with_events), 3);
    EXPECT_INT(count_right(asked_until_done), 3);
}

static void last_blocks(void) {
    EXPECT_INT(count_right(last_block_adds_up), 3);
    EXPECT(count_right(some_block_adds_up) < 3);
}

static void memory_of_libraries(void) {
    EXPECT(touch_beside_library());
    unsetenv("CUDA_EMULATOR_LAUNCH");
    EXPECT_CONTAINS(report_of(touch_what_library_uses),
                    "host code touches managed memory without waiting for the device");
}

// Where streams do not wait for each other, an order is found in which that shows.
static void missing_events(void) {
    EXPECT(count_right(used_without_event) < 3);
    EXPECT(count_right(changed_without_event) < 3);
}

static void configurations(void) {
    EXPECT_CONTAINS(report_of(too_many_threads), "a block of a wrong size");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"sound_kernels", sound_kernels},
                                          {"missing_barrier", missing_barrier},
                                          {"out_of_bounds", out_of_bounds},
                                          {"bad_shuffles", bad_shuffles},
                                          {"bad_barriers", bad_barriers},
                                          {"memory_of_the_other", memory_of_the_other},
                                          {"mapped_memory", mapped_memory},
                                          {"sound_waits", sound_waits},
                                          {"missing_waits", missing_waits},
                                          {"streams", streams},
                                          {"events", events},
                                          {"missing_events", missing_events},
                                          {"last_blocks", last_blocks},
                                          {"memory_of_libraries", memory_of_libraries},
                                          {"configurations", configurations},
                                          {0}});
}
