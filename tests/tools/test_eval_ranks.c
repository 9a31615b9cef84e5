// gctmask eval with a model in several processes: what one process prints and saves, to the byte,
// and an end for all when one fails or somebody interrupts them.
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_ranks.h"

#define ANN "$SCRATCH/in/annotations/instances_val.json"
#define EVAL                                                                                       \
    " eval --image-dir $SCRATCH/in/images --weights $SCRATCH/m.safetensors --threads 1 --ann "

static int run(const char *line) {
    char whole[2600];
    snprintf(whole, sizeof whole, RANKS_ENVIRONMENT "cd $SCRATCH\n%s", line);
    return run_program(whole);
}

// Seven pictures, which neither two nor three processes share equally, and a model that finds
// something in all of them.
static void begin(void) {
    if (run_program("command -v mpirun") != 0)
        skip_case("mpirun is not installed (package openmpi-bin)");
    EXPECT_INT(run_program("rm -rf $SCRATCH/in; gctmask make-shapes $SCRATCH/in --images 0 "
                           "--val-images 7 --size 90x70 --quiet; test -e $SCRATCH/m.safetensors || "
                           "gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet --set "
                           "input.short_side=64,input.long_side=128 --out $SCRATCH/m.safetensors"),
               0);
}

static void same_bytes(void) {
    static const char *const STARTS[] = {
        MPIRUN(2) GCTMASK EVAL ANN,
        MPIRUN(3) GCTMASK EVAL ANN,
        GCTMASK EVAL ANN " --procs 2",
    };
    begin();
    EXPECT_INT(run(GCTMASK EVAL ANN " --json --quiet --save-results one.json >one; grep -o "
                                    "'\"image_id\":[0-9]*' one.json | sort -u | wc -l"),
               0);
    EXPECT_TEXT(program_output, "7\n");
    for (size_t i = 0; i < sizeof STARTS / sizeof STARTS[0]; i++) {
        char line[1024];
        snprintf(line, sizeof line,
                 "%s --json --quiet --save-results many.json >many && cmp one many && cmp one.json "
                 "many.json; ls -A | grep -c many",
                 STARTS[i]);
        EXPECT_INT(run(line), 0);
        EXPECT_TEXT(program_errors, "");
        EXPECT_TEXT(program_output, "2\n"); // and no temporary file
    }
}

// Of some images only; fewer than there are processes.
static void few_images(void) {
    begin();
    for (int i = 0; i < 2; i++) {
        char line[1024];
        snprintf(line, sizeof line,
                 "I='--images %s --iou box --quiet'; " GCTMASK EVAL ANN
                 " $I --save-results one.json >one; " MPIRUN(3) GCTMASK EVAL ANN
                 " $I --save-results many.json >many && cmp one many && cmp one.json many.json && "
                 "grep -c image_id one.json",
                 i == 0 ? "1000002" : "1000007,1000001,1000003,1000004,1000006");
        EXPECT_INT(run(line), 0);
        EXPECT_TEXT(program_errors, "");
        EXPECT(atoi(program_output) > i);
    }
}

// Without a model there is nothing to share: one process prints.
static void results_of_a_file(void) {
    begin();
    EXPECT_INT(run(GCTMASK EVAL ANN " --quiet --save-results one.json >one; " MPIRUN(2) GCTMASK
                   " eval --ann " ANN " --results one.json >many && cmp one many"),
               0);
    EXPECT_TEXT(program_errors, "");
    EXPECT_INT(run(GCTMASK " eval --ann " ANN " --results one.json --procs 2"), 64);
    EXPECT_CONTAINS(program_errors, "--procs is for --weights");
}

// A picture in the share of the second process; annotations that all of them find wanting.
static void one_fails(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } cases[] = {
        {"head -c 500 in/images/val_000002.jpg >x; mv x in/images/val_000002.jpg", 65,
         "val_000002.jpg: "},
        {"rm in/images/val_000002.jpg", 66, "val_000002.jpg: No such file"},
        {"sed -i 's/\"id\":1000002/\"id\":1000001/' " ANN, 65, "id 1000001 occurs twice"},
        {"mkdir s.json", 73, "s.json: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[1024];
        begin();
        snprintf(line, sizeof line,
                 "rm -rf s.json; %s; timeout 100 " GCTMASK EVAL ANN
                 " --procs 2 --save-results s.json",
                 cases[i].line);
        int code = run(line);
        // 1 where the first process was too busy to end in good order (train/communicator.h).
        EXPECT(code == cases[i].code || code == 1);
        EXPECT_CONTAINS(program_errors, cases[i].message);
        EXPECT_TEXT(program_output, "");
        EXPECT_INT(run("ls -A | grep -q '[.]s[.]json' || test -f s.json"), 1);
    }
}

// An annotation file of one picture, many times.
static void make_many(void) {
    begin();
    EXPECT_INT(run("{ echo '{\"images\":['; for i in $(seq 20000); do "
                   "echo \"{\\\"id\\\":$i,\\\"width\\\":90,\\\"height\\\":70,"
                   "\\\"file_name\\\":\\\"val_000001.jpg\\\"},\"; done; echo "
                   "'{\"id\":0,\"file_name\":\"val_000001.jpg\"}],\"annotations\":[],"
                   "\"categories\":[{\"id\":1,\"name\":\"disk\"}]}'; } >many.json"),
               0);
}

// Starts two processes by $1 in the background, as $P, and waits until they detect.
#define START(start)                                                                               \
    "rm -f said; set -m; " start " --save-results t.json >said 2>&1 & P=$!; set +m\n"              \
    "for i in $(seq 1000); do grep -q 'lacks classes' said && break; sleep 0.02; done; sleep "     \
    "0.1\n"

static void interrupted(void) {
    static const struct {
        const char *signal;
        int code;
    } cases[] = {{"INT", 130}, {"TERM", 143}};
    make_many();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[1400];
        snprintf(line, sizeof line,
                 START("env --default-signal=INT " GCTMASK EVAL
                       "many.json --procs 2") "kill -%s $P; wait $P",
                 cases[i].signal);
        EXPECT_INT(run(line), cases[i].code);
        EXPECT_INT(run("cat said; ls -A | grep 't[.]json'; pgrep -f $SCRATCH/m.safetensors"), 1);
        EXPECT_CONTAINS(program_output, "error: eval: interrupted after ");
        EXPECT_CONTAINS(program_output, " of 20001 images\n");
    }
}

static void one_is_killed(void) {
    make_many();
    EXPECT_INT(
        run(START("exec " MPIRUN(2) GCTMASK EVAL "many.json") "kill -KILL $(pgrep -P $P | "
                                                              "tail -1)\ntimeout 60 tail "
                                                              "--pid=$P -f /dev/null || exit "
                                                              "99; wait $P"),
        137);
    EXPECT_INT(run("cat said; ls -A | grep 't[.]json'; pgrep -f $SCRATCH/m.safetensors"), 1);
    EXPECT_CONTAINS(program_output, "on signal 9 (Killed)");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"same_bytes", same_bytes},
                         {"few_images", few_images},
                         {"results_of_a_file", results_of_a_file},
                         {"one_fails", one_fails},
                         {"interrupted", interrupted},
                         {"one_is_killed", one_is_killed},
                         {0},
                     });
}
