#include "tests/tools/check_annotate.h"

#include "tests/harness.h"
#include "tests/program.h"

void annotate_begin(void) {
    EXPECT_INT(run_program("cd $SCRATCH; rm -rf found whole killed tree; "
                           "test -e m.safetensors && exit 0\n"
                           "gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet --set "
                           "input.short_side=64,input.long_side=128,box.detections=6 --out "
                           "m.safetensors && gctmask make-shapes in --images 0 --val-images 3 "
                           "--size 90x70 --quiet"),
               0);
}
