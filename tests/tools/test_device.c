// --device where there is no CUDA, and where it makes no sense. On a device: tests/cuda.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

// Each with all that it needs but the files, which nobody looks at before the device.
static const char *const COMMANDS[] = {
    "gctmask annotate none.jpg --weights none --out $SCRATCH/none",
    "gctmask eval --ann none --weights none --image-dir none",
    "gctmask train --config none --ann none --image-dir none --out $SCRATCH/none",
    "gctmask serve --weights none --listen 127.0.0.1:0",
    "gctmask doctor",
};
enum { NUM_COMMANDS = sizeof COMMANDS / sizeof COMMANDS[0] };

static void expect_usage_error(const char *command, const char *device) {
    char line[512];
    char message[256];
    snprintf(line, sizeof line, "%s --device '%s'", command, device);
    snprintf(message, sizeof message, ": --device: expected cpu, cuda or cuda:N, found \"%s\"",
             device);
    EXPECT_INT(run_program(line), 64);
    EXPECT_CONTAINS(program_errors, message);
    EXPECT_TEXT(program_output, "");
}

static void wrong_words(void) {
    for (int i = 0; i < NUM_COMMANDS; i++) {
        expect_usage_error(COMMANDS[i], "gpu");
        expect_usage_error(COMMANDS[i], "cuda:x");
    }
    expect_usage_error(COMMANDS[0], "");
    expect_usage_error(COMMANDS[0], "cuda:0,cuda:1");
    EXPECT_INT(run_program("gctmask eval --ann none --results none --device cuda"), 64);
    EXPECT_CONTAINS(program_errors, "--device is for --weights");
}

// Precisions that what computes does not have.
static void precisions(void) {
    EXPECT_INT(run_program("gctmask train --config none --ann none --image-dir none --out "
                           "$SCRATCH/none --precision bf16"),
               65);
    EXPECT_CONTAINS(program_errors, "--precision bfloat16 is not for training");
    EXPECT_INT(run_program("gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet --out "
                           "$SCRATCH/m.safetensors; gctmask make-shapes $SCRATCH/in --images 2 "
                           "--val-images 2 --size 90x70 --quiet; gctmask annotate "
                           "$SCRATCH/in/images --weights $SCRATCH/m.safetensors --out "
                           "$SCRATCH/none --precision tf32"),
               65);
    EXPECT_CONTAINS(program_errors, "precision tf32: only the device cuda computes in it");
    EXPECT_INT(run_program("gctmask annotate $SCRATCH/in/images --weights $SCRATCH/m.safetensors "
                           "--out $SCRATCH/none --tune"),
               65);
    EXPECT_CONTAINS(program_errors, "tune: only the device cuda has engines to choose from");
    EXPECT_INT(run_program("gctmask eval --ann none --results none --tune"), 64);
    EXPECT_CONTAINS(program_errors, "--tune is for --weights");
}

static void make_inputs(void) {
    EXPECT_INT(run_program("cd $SCRATCH; test -e m.safetensors && exit 0\n"
                           "gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet --out "
                           "m.safetensors && gctmask make-shapes in --images 2 --val-images 2 "
                           "--size 90x70 --quiet"),
               0);
}

static void no_module(void) {
    static const char *const with_files[] = {
        "gctmask annotate in/images --weights m.safetensors --out result",
        "gctmask eval --ann in/annotations/instances_val.json --weights m.safetensors --image-dir "
        "in/images",
        "gctmask train --config m.safetensors --ann in/annotations/instances_train.json "
        "--image-dir in/images --out result",
        "gctmask serve --weights m.safetensors --listen 127.0.0.1:0",
    };
    make_inputs();
    for (size_t i = 0; i < sizeof with_files / sizeof with_files[0]; i++) {
        char line[512];
        snprintf(line, sizeof line,
                 "cd $SCRATCH; export GCTMASK_CUDA_MODULE=/nowhere/cuda.so; %s --device cuda; "
                 "code=$?; ls result 2>/dev/null; exit $code",
                 with_files[i]);
        EXPECT_INT(run_program(line), 75);
        EXPECT_CONTAINS(program_errors, ": CUDA: cannot open /nowhere/cuda.so: cannot open shared "
                                        "object file: No such file or directory\n");
        EXPECT_TEXT(program_output, ""); // nothing was begun
    }
}

// A module is looked for at the program's own place, wherever and however that is started.
static void no_module_beside(void) {
    make_inputs();
    if (run_program("ls $(dirname '" GCTMASK "')/gctmask-cuda.so") == 0)
        skip_case("this build has the module");
    EXPECT_INT(
        run_program("cd $SCRATCH; echo >gctmask-cuda.so; PATH=$(dirname '" GCTMASK
                    "'):$PATH; unset -f gctmask\n"
                    "gctmask annotate in/images --weights m.safetensors --out result --device "
                    "cuda"),
        75);
    EXPECT_CONTAINS(program_errors, ": CUDA: gctmask-cuda.so is neither in ");
    EXPECT_CONTAINS(program_errors, "/tools/ nor installed; the variable GCTMASK_CUDA_MODULE can "
                                    "say where it is\n");
}

static void doctor(void) {
    EXPECT_INT(run_program("export GCTMASK_CUDA_MODULE=/nowhere/cuda.so; gctmask doctor"), 0);
    EXPECT_CONTAINS(program_output, "\nCUDA            no: cannot open /nowhere/cuda.so: ");
    EXPECT_INT(run_program("export GCTMASK_CUDA_MODULE=/nowhere/cuda.so; gctmask doctor --json"),
               0);
    EXPECT_CONTAINS(program_output, "\"cuda\": {\n    \"usable\": false,\n    \"message\": \"CUDA: "
                                    "cannot open /nowhere/cuda.so: ");
    EXPECT_CONTAINS(program_output, "\"ok\": true\n}\n");
    // Unless that is what it is to test.
    EXPECT_INT(run_program("export GCTMASK_CUDA_MODULE=/nowhere/cuda.so; gctmask doctor --device "
                           "cuda"),
               1);
    EXPECT_CONTAINS(program_output, "\ndetection       FAILED");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"wrong words", wrong_words},
                                          {"precisions", precisions},
                                          {"no module", no_module},
                                          {"no module beside", no_module_beside},
                                          {"doctor", doctor},
                                          {0}});
}
