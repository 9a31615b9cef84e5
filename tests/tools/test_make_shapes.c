// gctmask make-shapes as a user meets it: the files, that other commands take them, wrong options.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/program.h"

static bool is_there(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return access(path, R_OK) == 0;
}

static void files(void) {
    EXPECT_INT(run_program("gctmask make-shapes $SCRATCH/set --images 3 --val-images 2 "
                           "--size 64x48 --results $SCRATCH/set.json"),
               0);
    EXPECT_TEXT(program_output, "");
    EXPECT_CONTAINS(program_errors, "set: 5 images, ");
    EXPECT_CONTAINS(program_errors, " annotations, and results\n");
    EXPECT(is_there("set/images/train_000003.jpg") && is_there("set/images/val_000002.jpg"));
    EXPECT(!is_there("set/images/train_000004.jpg"));
    EXPECT(is_there("set/annotations/instances_train.json") && is_there("set.json"));
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(run_program(
                       i ? "gctmask check-data --ann $SCRATCH/set/annotations/instances_val.json "
                           "--images $SCRATCH/set/images"
                         : "gctmask check-data --ann $SCRATCH/set/annotations/instances_train.json "
                           "--images $SCRATCH/set/images"),
                   0);
        EXPECT_CONTAINS(program_output, "\n0 errors, 0 warnings, 0 notes\n");
    }
    EXPECT_INT(run_program("gctmask make-shapes $SCRATCH/quiet --images 1 --val-images 0 --quiet"),
               0);
    EXPECT_TEXT(program_errors, "");
    EXPECT(!is_there("quiet/annotations/instances_val.json"));
}

static void reproducible(void) {
    EXPECT_INT(run_program("cd $SCRATCH; set -e\n"
                           "make() { gctmask make-shapes --images 35 --val-images 2 --min-size 32 "
                           "--max-size 64 --quiet \"$@\"; }\n"
                           "make a --threads 1 --results a.json --seed 5\n"
                           "make b --threads 4 --results b.json --seed 5\n"
                           "make c --threads 4 --results c.json --seed 6\n"
                           "make a --threads 2 --results a.json --seed 5\n" // over what is there
                           "diff -r a b; cmp a.json b.json; ! cmp -s a.json c.json"),
               0);
    EXPECT_TEXT(program_output, "");
}

// The truth as results scores 1, in every column that has objects.
static void perfect_results(void) {
    EXPECT_INT(run_program("gctmask make-shapes $SCRATCH/perfect --images 0 --val-images 30 "
                           "--size 120x90 --results $SCRATCH/perfect.json --quality 1 --quiet;"
                           "gctmask eval --ann $SCRATCH/perfect/annotations/instances_val.json "
                           "--results $SCRATCH/perfect.json | grep -cF '0.95 | area=   all | "
                           "maxDets=100 ] = 1.000'"),
               0);
    EXPECT_TEXT(program_output, "4\n"); // precision and recall, boxes and masks
}

static void wrong_options(void) {
    static const struct {
        const char *arguments;
        const char *message;
    } cases[] = {
        {"", "DIR is missing"},
        {"wrong b", "one operand too many"},
        {"wrong --size 64", "--size: expected WIDTHxHEIGHT, each 32 to 4096, found \"64\""},
        {"wrong --size 64x", "--size: expected"},
        {"wrong --size x64", "--size: expected"},
        {"wrong --size 31x64", "--size: expected"},
        {"wrong --size 64x4097", "--size: expected"},
        {"wrong --size 64x64x64", "--size: expected"},
        {"wrong --size ' 64x64'", "--size: expected"},
        {"wrong --size +64x64", "--size: expected"},
        {"wrong --size 99999999999999999999x64", "--size: expected"},
        {"wrong --min-size 64", "--min-size and --max-size go together"},
        {"wrong --max-size 64", "--min-size and --max-size go together"},
        {"wrong --min-size 65 --max-size 64", "--min-size and --max-size go together"},
        {"wrong --images -1", "--images"},
        {"wrong --images 1000001", "--images"},
        {"wrong --images 0 --val-images 0", "--images and --val-images are both 0"},
        {"wrong --quality 1.5", "--quality"},
        {"wrong --jpeg-quality 0", "--jpeg-quality"},
        {"wrong --seed -1", "--seed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256];
        snprintf(line, sizeof line, "cd $SCRATCH; gctmask make-shapes %s", cases[i].arguments);
        int code = run_program(line);
        if (code != 64) printf("%s\n", line);
        EXPECT_INT(code, 64);
        EXPECT_CONTAINS(program_errors, cases[i].message);
    }
    EXPECT(!is_there("wrong"));
}

static void unwritable(void) {
    EXPECT_INT(run_program("gctmask make-shapes $SCRATCH/no/such/place --images 1"), 73);
    EXPECT_CONTAINS(program_errors, "no/such/place: cannot make the folder");
    EXPECT_INT(run_program("touch $SCRATCH/file; gctmask make-shapes $SCRATCH/file --images 1"),
               73);
    EXPECT_INT(run_program("mkdir -p $SCRATCH/taken/images/train_000001.jpg;"
                           "gctmask make-shapes $SCRATCH/taken --images 1 --val-images 0"),
               73);
    EXPECT_CONTAINS(program_errors, "train_000001.jpg: cannot write: Is a directory");
    EXPECT(!is_there("taken/annotations/instances_train.json"));
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"files", files},
                                          {"reproducible", reproducible},
                                          {"perfect_results", perfect_results},
                                          {"wrong_options", wrong_options},
                                          {"unwritable", unwritable},
                                          {0}});
}
