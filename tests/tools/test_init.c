// gctmask init as a user meets it.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

#define INIT "gctmask init --config " TESTS_DIR "/../configs/demo.json "

static void files(void) {
    EXPECT_INT(run_program(INIT "--out $SCRATCH/a.safetensors"), 0);
    EXPECT_TEXT(program_output, "");
    EXPECT_CONTAINS(program_errors, "a.safetensors: 2047614 parameters, 8 classes\n");
    EXPECT_INT(run_program("cd $SCRATCH; set -e\n" INIT
                           "--out b.safetensors --seed 1 --quiet\n" INIT
                           "--out c.safetensors --seed 2 --quiet --threads 2\n"
                           "cmp a.safetensors b.safetensors; ! cmp -s a.safetensors c.safetensors"),
               0);
    EXPECT_TEXT(program_errors, "");
}

// Other classes; and a model file as the configuration of another.
static void overrides(void) {
    EXPECT_INT(run_program(INIT "--set classes.names=cat,dog,box.hidden=64 "
                                "--out $SCRATCH/pets.safetensors"),
               0);
    EXPECT_CONTAINS(program_errors, " parameters, 2 classes\n");
    EXPECT_INT(run_program("gctmask init --config $SCRATCH/pets.safetensors --seed 5 "
                           "--out $SCRATCH/more.safetensors --quiet;"
                           "gctmask info $SCRATCH/more.safetensors --json"),
               0);
    EXPECT_CONTAINS(program_output, "\"names\": [\"cat\",\"dog\"]");
    EXPECT_CONTAINS(program_output, "\"hidden\": 64");
}

static void failures(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } cases[] = {
        {"gctmask init --out $SCRATCH/x", 64, "--config FILE is required"},
        {INIT, 64, "--out FILE is required"},
        {INIT "--out $SCRATCH/x --seed -1", 64, "--seed: -1 is not a whole number"},
        {INIT "--out $SCRATCH/x y", 64, "\"y\" is one operand too many"},
        {INIT "--out $SCRATCH/x --set box.gct=true", 65, "box.gct: there are no convolutions"},
        {INIT "--out $SCRATCH/no/such/x", 73, "no/such/x: "},
        {"gctmask init --config $SCRATCH/none --out $SCRATCH/x", 66, "none: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = run_program(cases[i].line);
        if (code != cases[i].code) printf("%s\n", cases[i].line);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
    }
    EXPECT_INT(run_program("test -e $SCRATCH/x"), 1);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"files", files}, {"overrides", overrides}, {"failures", failures}, {0}});
}
