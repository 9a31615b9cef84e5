// pycocotools reads the COCO files of gctmask annotate: its masks, areas and boxes are those of the
// other formats (tests/oracle/annotation_sets.py). $PYTHON is another Python than python3.
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_annotate.h"

// Runs a line in which $PYTHON is set.
static int run(const char *line) {
    char script[1024];
    const char *python = getenv("PYTHON");
    snprintf(script, sizeof script, "PYTHON='%s'; cd $SCRATCH; %s", python ? python : "python3",
             line);
    return run_program(script);
}

static void begin(void) {
    if (run("$PYTHON -c 'import PIL, numpy, pycocotools'") != 0)
        skip_case("Python's pycocotools, numpy or Pillow is not installed");
    annotate_begin();
}

static void check(const char *options) {
    char line[512];
    snprintf(line, sizeof line,
             ANNOTATE
             "in/images --quiet --format coco,coco-results,ndjson,labelme %s && $PYTHON '" TESTS_DIR
             "/oracle/annotation_sets.py' found",
             options);
    EXPECT_INT(run(line), 0);
    EXPECT_CONTAINS(program_output, "3 images, 18 objects: the same in all");
}

static void strings(void) {
    begin();
    check("");
}

static void counts(void) {
    begin();
    check("--rle list");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"strings", strings}, {"counts", counts}, {0}});
}
