// gctmask info as a user meets it.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

#define CONFIGS TESTS_DIR "/../configs/"

static void table(void) {
    EXPECT_INT(run_program("gctmask info " CONFIGS "r50_bn_gct_2fc_90k.json"), 0);
    EXPECT_CONTAINS(program_output, "backbone.body.layer4.2.conv3  ");
    EXPECT_CONTAINS(program_output, " 1x25x34x2048 ");
    EXPECT_CONTAINS(program_output, "\ntotal        44,415,166     225.201\n");
    EXPECT_CONTAINS(program_output, "for 1 x 800 x 1088 (images x height x width)");
    EXPECT_TEXT(program_errors, "");
}

static void json(void) {
    EXPECT_INT(run_program("gctmask info " CONFIGS "demo.json --json --images 2 --size 100x64 "
                           "--set rpn.anchor_sizes=8,16,32,64,128,box.score=0.25"),
               0);
    EXPECT_CONTAINS(program_output,
                    "\n    \"images\": 2,\n    \"height\": 64,\n    \"width\": 128");
    EXPECT_CONTAINS(program_output, "\n      \"anchor_sizes\": [8,16,32,64,128],\n");
    EXPECT_CONTAINS(program_output, "\n      \"score\": 0.25,\n");
    EXPECT_CONTAINS(program_output, "\n  \"parameters\": 2047614,\n");
    EXPECT_CONTAINS(program_output,
                    "\n      \"name\": \"mask_head\",\n      \"parameters\": 32137,");
    EXPECT_CONTAINS(program_output, "\n      \"shape\": [2,32,64,16],\n");
    EXPECT_CONTAINS(program_output,
                    "\"name\": \"proposals\",\n      \"operation\": \"proposals\",\n"
                    "      \"details\": \"\",\n      \"shape\": null,\n");
}

// What a model file says is what its configuration says.
static void model_files(void) {
    EXPECT_INT(run_program("cd $SCRATCH && gctmask init --config " CONFIGS
                           "demo.json --out m.safetensors --quiet &&"
                           "gctmask info m.safetensors > a && gctmask info " CONFIGS
                           "demo.json > b && cmp a b"),
               0);
    EXPECT_INT(run_program("gctmask info $SCRATCH/m.safetensors --set box.hidden=8"), 65);
    EXPECT_CONTAINS(program_errors, "tensors are of another shape (roi_heads.box_head.fc6.weight");
}

static void wrong_options(void) {
    static const struct {
        const char *arguments;
        int code;
        const char *message;
    } cases[] = {
        {"", 64, "MODEL is missing"},
        {"no_such.json", 66, "no_such.json: "},
        {CONFIGS, 66, "configs/"},
        {CONFIGS "demo.json --size 64", 64, "--size: expected WIDTHxHEIGHT, each 32 to 16384"},
        {CONFIGS "demo.json --size 64x31", 64, "--size: expected"},
        {CONFIGS "demo.json --size 64x16385", 64, "--size: expected"},
        {CONFIGS "demo.json --size 64x64x", 64, "--size: expected"},
        {CONFIGS "demo.json --size -64x64", 64, "--size: expected"},
        {CONFIGS "demo.json --images 0", 64, "--images: 0 is not a whole number from 1 to 1024"},
        {CONFIGS "demo.json --set box.scor=1", 64, "did you mean box.score?"},
        {CONFIGS "demo.json --set box.score", 64, "is not NAME=VALUE"},
        {CONFIGS "demo.json --images 1024 --size 16384x16384", 75, "step memory: no room for"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[512];
        snprintf(line, sizeof line, "gctmask info %s", cases[i].arguments);
        int code = run_program(line);
        if (code != cases[i].code) printf("%s\n", line);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
        EXPECT_TEXT(program_output, "");
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"table", table},
                                          {"json", json},
                                          {"model_files", model_files},
                                          {"wrong_options", wrong_options},
                                          {0}});
}
