#include "tests/tools/check_train.h"

#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

#define SMALL                                                                                      \
    "input.short_side=48,input.long_side=64,backbone.width=8,backbone.group_width=8,"              \
    "backbone.blocks=1,1,1,1,norm_groups=4,fpn.channels=16,rpn.anchor_sizes=8,16,32,64,128,"       \
    "rpn.pre_nms_train=200,rpn.post_nms_train=100,box.hidden=32,box.sampled=64,box.score=0,"       \
    "box.detections=20,mask.convs=1,mask.conv_channels=8,schedule.batch=4,schedule.group=2,"       \
    "schedule.drops=1000000,schedule.warmup=4"

#define WORDS                                                                                      \
    "A=$SCRATCH/set/annotations; I=$SCRATCH/set/images; SMALL=" SMALL "\n"                         \
    "DATA=\"--ann $A/instances_train.json --image-dir $I --val-ann $A/instances_val.json\"\n"      \
    "TRAIN=\"gctmask train --config " TESTS_DIR "/../configs/demo.json $DATA --threads 1\"\n"      \
    "EVAL=\"gctmask eval --ann $A/instances_val.json --image-dir $I --threads 1 --quiet\"\n"

void train_set(void) {
    EXPECT_INT(run_program("test -e $SCRATCH/set || gctmask make-shapes $SCRATCH/set --images 12 "
                           "--val-images 4 --size 64x48 --quiet"),
               0);
}

int run_train(const char *line) {
    char whole[3600];
    snprintf(whole, sizeof whole, WORDS "%s", line);
    REQUIRE(strlen(whole) < sizeof whole - 1);
    return run_program(whole);
}
