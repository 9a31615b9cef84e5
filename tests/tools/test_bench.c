// gctmask bench as a user meets it.
// read each map once.
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"

#define CONFIGS TESTS_DIR "/../configs/"
#define COUNT   "gctmask bench --device cuda --count "

// The numbers of a row that begins so, behind the part-th line "PATH: a ...".
static void read_row(int part, const char *row, double numbers[7]) {
    const char *at = program_output;
    char begin[64];
    snprintf(begin, sizeof begin, "\n%s ", row);
    for (int i = 0; i <= part && at; i++)
        at = strstr(at + 1, ".json: a ");
    if (at) at = strstr(at, begin);
    REQUIRE(at != NULL);
    at += strlen(begin) + 54; // the columns of names
    for (int i = 0; i < 7; i++) {
        char *end = NULL;
        numbers[i] = strtod(at, &end);
        at = end;
    }
}

static void paper_networks(void) {
    double plain[7];
    double gated[7];
    double gates[7];
    // Without the kernels, whose rows are many.
    EXPECT_INT(run_program("cd " CONFIGS ".. && " COUNT " | grep -v '^  '"), 0);
    EXPECT_CONTAINS(program_output, "r50_bn_2fc_90k.json: a detection, 1 x 800 x 1344\n");
    read_row(0, "all", plain);
    read_row(2, "all", gated);
    read_row(2, "gates", gates);
    // 262.663 x 10^9 multiply-adds by gctmask info; regions are computed in whole blocks.
    EXPECT(plain[2] > 2 * 262.663 && plain[2] < 1.1 * 2 * 262.663);
    EXPECT(gated[1] > plain[1] && gates[1] > 0.9 * (gated[1] - plain[1]));
    // In float32 the gates of a detection take less than a twentieth of the least time.
    EXPECT(gates[3] < 0.05 * gated[3] && gates[5] < 0.05 * gated[5]);
    read_row(3, "all", gated);
    read_row(3, "gates", gates);
    EXPECT(gates[3] < 0.05 * gated[3] && gates[5] < 0.05 * gated[5]);
    EXPECT_CONTAINS(program_output, "A100 TF32");
    EXPECT_TEXT(program_errors, "");
}

// In 16 bits activations take half the bytes, parameters all of theirs.
static void sixteen_bits(void) {
    double float32[7];
    double bf16[7];
    EXPECT_INT(run_program(COUNT "--config " CONFIGS "demo.json --size 256x256"), 0);
    read_row(0, "upsample_add", float32);
    EXPECT_INT(run_program(COUNT "--config " CONFIGS "demo.json --size 256x256 --precision bf16"),
               0);
    EXPECT_CONTAINS(program_output, "products  989.4 TFLOP/s");
    EXPECT(!strstr(program_output, "TF32"));
    read_row(0, "upsample_add", bf16);
    EXPECT_NEAR(bf16[1], float32[1] / 2, 0.11);
    EXPECT_NEAR(bf16[2], float32[2], 0);
}

// Kernels that sum up, too, leave gates less to do where there are tensor cores.
static void tuned(void) {
    double plain[7];
    double tuned[7];
    EXPECT_INT(run_program(COUNT "--config " CONFIGS "r50_bn_gct_2fc_90k.json --size 256x256"), 0);
    read_row(0, "gates", plain);
    EXPECT_INT(
        run_program(COUNT "--config " CONFIGS "r50_bn_gct_2fc_90k.json --size 256x256 --tune"), 0);
    read_row(0, "gates", tuned);
    EXPECT_NEAR(tuned[3], plain[3], 0);                             // float32
    EXPECT(tuned[4] < 0.6 * plain[4] && tuned[6] < 0.6 * plain[6]); // TF32
    EXPECT_INT(run_program(COUNT "--config " CONFIGS
                                 "r50_bn_gct_2fc_90k.json --size 256x256 --precision fp16"),
               0);
    read_row(0, "gates", plain);
    EXPECT_INT(run_program(COUNT "--config " CONFIGS
                                 "r50_bn_gct_2fc_90k.json --size 256x256 --precision fp16 --tune"),
               0);
    read_row(0, "gates", tuned);
    EXPECT(tuned[3] < 0.6 * plain[3] && tuned[4] < 0.6 * plain[4]);
}

// Twice the images: the same weights, twice everything else.
static void more_images(void) {
    double one[7];
    double two[7];
    EXPECT_INT(run_program(COUNT "--config " CONFIGS "demo.json --size 128x128"), 0);
    read_row(0, "roi_align", one);
    EXPECT_INT(run_program(COUNT "--config " CONFIGS "demo.json --size 128x128 --images 2"), 0);
    EXPECT_CONTAINS(program_output, "demo.json: a training step, 2 x 128 x 128\n");
    read_row(0, "roi_align", two);
    EXPECT_INT((int64_t)two[0], (int64_t)one[0]);
    EXPECT_NEAR(two[1], 2 * one[1], 0.11);
}

static void wrong_options(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } cases[] = {
        {"gctmask bench --count", 64, "--device WORD is required"},
        {"gctmask bench --device cuda", 64, "--count is missing"},
        {"gctmask bench --device cpu --count", 64, "--device"},
        {COUNT "--config no_such.json", 66, "no_such.json: "},
        {COUNT "--config " CONFIGS "demo.json --size 12", 64, "--size: expected WIDTHxHEIGHT"},
        {COUNT "--config " CONFIGS "demo.json --set box.score", 64, "is not NAME=VALUE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = run_program(cases[i].line);
        if (code != cases[i].code) printf("%s\n", cases[i].line);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
        EXPECT_TEXT(program_output, "");
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"paper_networks", paper_networks},
                                          {"sixteen_bits", sixteen_bits},
                                          {"tuned", tuned},
                                          {"more_images", more_images},
                                          {"wrong_options", wrong_options},
                                          {0}});
}
