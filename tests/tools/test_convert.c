// gctmask convert as a user meets it. What it makes of whole models is in
// tests/detector/test_import.c; here the sources are small and from Python's pickle alone.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

#define INIT    "gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet "
#define CONVERT "gctmask convert $SCRATCH/"
#define SMALL                                                                                      \
    "--set backbone.width=8,backbone.group_width=8,backbone.attention=none,fpn.channels=16,"       \
    "box.hidden=32,mask.conv_channels=16,norm_groups=4 "

// A model of ours as a state dict, and as a model again.
static void there_and_back(void) {
    EXPECT_INT(run_program("set -e; cd $SCRATCH\n" INIT SMALL "--out a.safetensors\n"
                           "gctmask convert a.safetensors --to state-dict --out b.safetensors\n"
                           "gctmask convert b.safetensors --out c.safetensors "
                           "--config a.safetensors\n"
                           "cmp a.safetensors c.safetensors"),
               0);
    EXPECT_TEXT(program_output, "");
    EXPECT_CONTAINS(program_errors, "gctmask: info: b.safetensors: ");
    EXPECT_CONTAINS(program_errors,
                    "b.safetensors: weights of torchvision in a safetensors file: ");
    EXPECT_CONTAINS(program_errors, " tensors used, 0 ignored");
    EXPECT_INT(run_program("head -c 100 $SCRATCH/b.safetensors | tail -c +9"), 0);
    EXPECT_CONTAINS(program_output, "\"format\":\"pt\"");
}

static void reports(void) {
    EXPECT_INT(run_program("set -e; cd $SCRATCH\n" INIT SMALL "--out d.safetensors\n"
                           "gctmask convert d.safetensors --to state-dict --out e.safetensors "
                           "--quiet\n"
                           "gctmask convert e.safetensors --config d.safetensors --out f "
                           "--map --quiet | head -5"),
               0);
    EXPECT_CONTAINS(program_output,
                    "backbone.body.bn1.bias -> backbone.body.bn1.bias [8] copied\n");
    EXPECT_TEXT(program_errors, "");
    EXPECT_INT(run_program("cd $SCRATCH; gctmask convert e.safetensors --config d.safetensors "
                           "--backbone-only --out f --json --quiet | tail -40"),
               0);
    EXPECT_CONTAINS(program_output, "\"source\": null");
    EXPECT_CONTAINS(program_output, "\"action\": \"fresh\"");
}

static void failures(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } cases[] = {
        {"gctmask convert --out $SCRATCH/x", 64, "SRC"},
        {CONVERT "g.safetensors", 64, "--out FILE is required"},
        {CONVERT "none --out $SCRATCH/x", 66, "none: "},
        {CONVERT "text --out $SCRATCH/x", 65, "neither a file of PyTorch, nor a pickle"},
        {CONVERT "evil --out $SCRATCH/x", 65, "refers to os.system, which is not one of"},
        {CONVERT "other --out $SCRATCH/x", 65, "a pickle without tensors"},
        {CONVERT "g.safetensors --out $SCRATCH/x", 64, "is a model file of gctmask already"},
        {CONVERT "g.safetensors --to state-dict --backbone-only --out $SCRATCH/x", 64,
         "are for an import"},
        {CONVERT "h.safetensors --to state-dict --out $SCRATCH/x", 65, "no configuration"},
        {CONVERT "h.safetensors --out /no/such/x --config $SCRATCH/g.safetensors", 73,
         "/no/such/x: "},
        {CONVERT "h.safetensors --out $SCRATCH/x --config $SCRATCH/g.safetensors --set "
                 "classes.names=cat,dog",
         65, "has 8 classes and the configuration 2, both without background"},
        {CONVERT "h.safetensors --out $SCRATCH/x --config $SCRATCH/g.safetensors --set "
                 "box.hidden=16,mask.convs=1,rpn.convs=2",
         65,
         "(torchvision) does not fit the model: 2 missing, 6 of another shape, 2 left over; "
         "missing: rpn.head.conv.1.0.weight, rpn.head.conv.1.0.bias; of another shape: "
         "roi_heads.box_head.fc6.weight [32, 784], expected [16, 784]"},
    };
    EXPECT_INT(run_program("set -e; cd $SCRATCH\n" INIT SMALL "--out g.safetensors\n"
                           "gctmask convert g.safetensors --to state-dict --out h.safetensors "
                           "--quiet\n"
                           "echo hello >text; printf '}.' >other\n"
                           "printf 'cos\\nsystem\\n(U\\4truetR.' >evil"),
               0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = run_program(cases[i].line);
        if (code != cases[i].code) printf("%s\n", cases[i].line);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
    }
    EXPECT_INT(run_program("test -e $SCRATCH/x"), 1);
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){
            {"there_and_back", there_and_back}, {"reports", reports}, {"failures", failures}, {0}});
}
