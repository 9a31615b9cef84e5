#include "train/launch.h"

#include <stdio.h>
#include <unistd.h>

#include "base/workers.h"
#include "tests/harness.h"
#include "tests/program.h"

// Runs a line of bash in which start makes ranks.c launch, and mpirun is body, a script of its own.
static int run_with_mpirun(const char *body, const char *line) {
    char script[3000];
    snprintf(script, sizeof script,
             "cd $SCRATCH; rm -rf launch; mkdir -p launch/bin; cd launch; PATH=$PWD/bin:$PATH\n"
             "await() { for ((i = 0; i < 1000; i++)); do [ -e $1 ] && return; sleep 0.1; done; }\n"
             "cat >bin/mpirun <<'END'\n#!/bin/bash\n%s\nEND\n"
             "chmod +x bin/mpirun\n"
             "start() { exec env --default-signal=INT " RANKS " launch \"$@\"; }\n%s",
             body, line);
    return run_program(script);
}

static void command_line(void) {
    char expected[1024];
    int share = workers_available() / 2;
    snprintf(expected, sizeof expected,
             "--bind-to\nnone\n--map-by\nslot:OVERSUBSCRIBE\n-np\n2\n" RANKS
             "\nlaunch\n--threads\n%d\n"
             "--procs\n2\n--out\na run\n",
             share > 1 ? share : 1);
    EXPECT_INT(run_with_mpirun("printf '%s\\n' \"$@\"", "start --procs 2 --out 'a run'"), 0);
    EXPECT_TEXT(program_output, expected);
    // Root is allowed what mpirun forbids it, nobody else is.
    EXPECT_INT(run_with_mpirun("echo $OMPI_ALLOW_RUN_AS_ROOT$OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"
                               "$PRTE_ALLOW_RUN_AS_ROOT$PRTE_ALLOW_RUN_AS_ROOT_CONFIRM",
                               "start"),
               0);
    EXPECT_TEXT(program_output, getuid() == 0 ? "1111\n" : "\n");
}

static void exit_code(void) {
    EXPECT_INT(run_with_mpirun("exit 7", "start"), 7);
    EXPECT_INT(run_with_mpirun("kill -KILL $$", "start"), 128 + 9);
}

static void no_mpirun(void) {
    EXPECT_INT(
        run_with_mpirun("", "rm bin/mpirun; start() { env PATH=bin " RANKS " launch; }; start"),
        64 + STATUS_UNSUPPORTED);
    EXPECT_CONTAINS(program_errors, "install the package openmpi-bin");
}

#define READY "trap 'echo saved; exit 0' USR1; trap 'echo ended; exit 9' TERM; : >ready; "
#define WAIT  "for ((;;)); do sleep 0.1; done"

// A signal reaches the processes as a request; a second one is none.
static void signals(void) {
    EXPECT_INT(run_with_mpirun(READY WAIT, "start & await ready; kill -TERM $!; wait $!"), 143);
    EXPECT_TEXT(program_output, "saved\n");
    EXPECT_INT(run_with_mpirun(READY WAIT, "start & await ready; kill -INT $!; wait $!"), 130);
    EXPECT_TEXT(program_output, "saved\n");
    EXPECT_INT(run_with_mpirun(READY "trap ': >asked' USR1;" WAIT,
                               "start & await ready; kill -TERM $!; await asked; kill -TERM $!\n"
                               "wait $!"),
               9);
    EXPECT_TEXT(program_output, "ended\n");
    // A process that fails all the same has its own code.
    EXPECT_INT(run_with_mpirun(READY "trap 'exit 65' USR1;" WAIT,
                               "start & await ready; kill -TERM $!; wait $!"),
               65);
}

static void killed(void) {
    run_with_mpirun(READY "trap ': >ended; exit' TERM;" WAIT,
                    "start & await ready; kill -KILL $!; await ended; ls ended");
    EXPECT_TEXT(program_output, "ended\n");
}

static void processes(void) {
    if (run_program("command -v mpirun") != 0)
        skip_case("mpirun is not installed (package openmpi-bin)");
    EXPECT_INT(run_with_mpirun("", "rm bin/mpirun\n"
                                   "export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader "
                                   "OMPI_MCA_oob_tcp_if_include=lo\n"
                                   "export LSAN_OPTIONS=suppressions=" TESTS_DIR
                                   "/train/openmpi.supp:print_suppressions=0\n"
                                   "start"),
               0);
    EXPECT_TEXT(program_output, "2 processes\n");
    EXPECT_TEXT(program_errors, "");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"command_line", command_line},
                         {"exit_code", exit_code},
                         {"no_mpirun", no_mpirun},
                         {"signals", signals},
                         {"killed", killed},
                         {"processes", processes},
                         {0},
                     });
}
