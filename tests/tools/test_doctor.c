// gctmask doctor as a user meets it.
#include "tests/harness.h"
#include "tests/program.h"
#include "tests/sanitized.h"

static void report(void) {
    EXPECT_INT(run_program("OMP_WAIT_POLICY=passive gctmask doctor"), 0);
    EXPECT_TEXT(program_errors, "");
    EXPECT_CONTAINS(program_output, "gctmask         0.1.0\n");
    EXPECT_CONTAINS(program_output, "\noneDNN          ");
    EXPECT_CONTAINS(program_output, "\nbf16            ");
    EXPECT_CONTAINS(program_output, "\nconvolution     ok ");
    EXPECT_CONTAINS(program_output, "\nimage files     ok ");
    EXPECT_CONTAINS(program_output, "\ndetection       ok ");
    EXPECT_CONTAINS(program_output, "\nidle threads    sleep\n");
    EXPECT(!strstr(program_output, "FAILED"));
}

// What oneDNN may use can be limited from outside.
static void without_bf16(void) {
    EXPECT_INT(run_program("ONEDNN_MAX_CPU_ISA=AVX2 gctmask doctor"), 0);
    EXPECT_CONTAINS(program_output, "\nbf16            no\n");
    EXPECT_INT(run_program("ONEDNN_MAX_CPU_ISA=AVX2 gctmask doctor --json"), 0);
    EXPECT_CONTAINS(program_output, "\"bf16\": false");
}

static void json(void) {
    EXPECT_INT(run_program("gctmask doctor --json --threads 1 --quiet"), 0);
    EXPECT_TEXT(program_errors, "");
    EXPECT_CONTAINS(program_output, "{\n  \"version\": \"0.1.0\",\n");
    EXPECT_CONTAINS(program_output, "\"usable_processors\": ");
    EXPECT_CONTAINS(program_output, "\"ok\": true\n}\n");
    EXPECT(!strstr(program_output, "\"ok\": false"));
}

// A test that fails is told, and the program says so with its exit code: here there is no memory
// for the network's steps.
static void failure(void) {
    if (SANITIZED) skip_case("a sanitizer has its own malloc");
    EXPECT_INT(run_program("LD_PRELOAD='" FAIL_CALL "' FAIL_KIND=mmap FAIL_FIRST=1 FAIL_LAST=1 "
                           "FAIL_MARK=$SCRATCH/mark gctmask doctor"),
               1);
    EXPECT_CONTAINS(program_output, "\nconvolution     FAILED");
    EXPECT_CONTAINS(program_output, "step memory");
    EXPECT_CONTAINS(program_output, "\ndetection       ok ");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"report", report},
                                          {"without bf16", without_bf16},
                                          {"json", json},
                                          {"failure", failure},
                                          {0}});
}
