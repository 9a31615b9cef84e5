// gctmask train --init: what is taken from another model file, what is said about the rest, and
// what is refused.
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_train.h"

#define INIT "gctmask init --quiet --config " TESTS_DIR "/../configs/demo.json "

static void initialised(void) {
    train_set();
    EXPECT_INT(
        run_train(INIT "--seed 3 --set $SMALL,classes.names=a,b --out $SCRATCH/other.safetensors; "
                       "$TRAIN --set $SMALL,schedule.iterations=1 --out $SCRATCH/from-other "
                       "--init $SCRATCH/other.safetensors"),
        0);
    EXPECT_CONTAINS(program_errors, "info: ");
    EXPECT_CONTAINS(program_errors, "other.safetensors: ");
    EXPECT_CONTAINS(program_errors, " parameters taken\n");
    EXPECT_CONTAINS(program_errors, "warning: ");
    EXPECT_CONTAINS(program_errors, "has other classes; these start afresh: "
                                    "\"roi_heads.box_predictor.cls_score.weight\", ");
    EXPECT_CONTAINS(program_errors, " and 3 more\n");
    EXPECT(strstr(program_errors, "fpn") == NULL && strstr(program_errors, "no gates") == NULL);
    EXPECT_INT(
        run_train(INIT
                  "--seed 3 --set $SMALL,backbone.attention=none --out $SCRATCH/plain.safetensors; "
                  "$TRAIN --set $SMALL,schedule.iterations=1 --out $SCRATCH/from-plain "
                  "--init $SCRATCH/plain.safetensors"),
        0);
    EXPECT_CONTAINS(program_errors, "has no gates; these start as the identity: \"backbone.body.");
    EXPECT(strstr(program_errors, "warning") == NULL);
}

// With a learning rate of 0, what comes out is what went in.
static void initialised_exactly(void) {
    train_set();
    EXPECT_INT(run_train(INIT
                         "--seed 3 --set $SMALL,schedule.iterations=1,solver.learning_rate=0 --out "
                         "$SCRATCH/same.safetensors; "
                         "$TRAIN --set $SMALL,schedule.iterations=1,solver.learning_rate=0 --out "
                         "$SCRATCH/from-same --init $SCRATCH/same.safetensors; cmp "
                         "$SCRATCH/same.safetensors "
                         "$SCRATCH/from-same/checkpoints/step-0000001/model.safetensors"),
               0);
    EXPECT(strstr(program_errors, "afresh") == NULL && strstr(program_errors, "gates") == NULL);
}

static void not_initialised(void) {
    train_set();
    EXPECT_INT(run_train(INIT "--set $SMALL,fpn.channels=32 --out $SCRATCH/wide.safetensors; "
                              "$TRAIN --set $SMALL --out $SCRATCH/nothing --init "
                              "$SCRATCH/wide.safetensors"),
               65);
    EXPECT_CONTAINS(program_errors, "wide.safetensors: \"");
    EXPECT_CONTAINS(program_errors,
                    "\" has another shape than in this model; --init-parts backbone takes "
                    "the backbone alone\n");
    EXPECT_INT(run_train("$TRAIN --set $SMALL --out $SCRATCH/nothing --init $SCRATCH/gone"), 66);
    EXPECT_INT(run_train("$TRAIN --set $SMALL --out $SCRATCH/nothing --init $A/instances_val.json"),
               65);
    EXPECT_INT(run_program("ls $SCRATCH/nothing"), 2);
}

// ---- Classes ----

#define OTHER_NAMES                                                                                \
    INIT "--seed 3 --set $SMALL,classes.names=disk,ring,square,triangle,star,cross,heart,moon "    \
         "--out $SCRATCH/moon.safetensors; "
#define FROM_MOON                                                                                  \
    "$TRAIN --set $SMALL,schedule.iterations=1,solver.learning_rate=0 --quiet --init "             \
    "$SCRATCH/moon.safetensors --out $SCRATCH/"

// As many classes, one of which has another name: nobody may take it for the other by accident.
static void other_names(void) {
    train_set();
    EXPECT_INT(run_train(OTHER_NAMES FROM_MOON "nothing"), 65);
    EXPECT_CONTAINS(program_errors,
                    "moon.safetensors has other classes at the places of this model's: "
                    "\"crescent\" for \"moon\"; --init-classes by-position takes them "
                    "nevertheless, fresh starts without them");
    EXPECT_INT(run_program("ls $SCRATCH/nothing"), 2);
    // All of the file's weights; all but the predictors'.
    EXPECT_INT(run_train(FROM_MOON "by-position --init-classes by-position && " FROM_MOON
                                   "by-fresh --init-classes fresh"),
               0);
    EXPECT_INT(
        run_program("cd $SCRATCH; S=checkpoints/step-0000001/model.safetensors; for r in "
                    "by-position by-fresh; do tail -c 30000 $r/$S >$r.end; done; tail -c 30000 "
                    "moon.safetensors | cmp - by-position.end && ! cmp -s by-position.end "
                    "by-fresh.end"),
        0);
}

static void fresh_classes(void) {
    train_set();
    EXPECT_INT(run_train(OTHER_NAMES "$TRAIN --set $SMALL --dry-run --out $SCRATCH/nothing "
                                     "--init-classes fresh --init $SCRATCH/moon.safetensors"),
               0);
    EXPECT_CONTAINS(program_errors, "has other classes; these start afresh: "
                                    "\"roi_heads.box_predictor.cls_score.weight\", ");
    EXPECT_CONTAINS(program_errors, " and 3 more\n");
    // The same classes at other places are no better.
    EXPECT_INT(run_train(INIT "--set $SMALL,classes.names=ring,disk,square,triangle,star,cross,"
                              "heart,crescent --out $SCRATCH/turned.safetensors; $TRAIN --set "
                              "$SMALL --dry-run --out $SCRATCH/nothing --init "
                              "$SCRATCH/turned.safetensors"),
               65);
    EXPECT_CONTAINS(program_errors, "\"disk\" for \"ring\", \"ring\" for \"disk\"; --init-classes");
}

// ---- Parts ----

// A classifier's backbone as an import leaves it, all else drawn; and one whose heads are others.
static void backbone(void) {
    train_set();
    EXPECT_INT(
        run_train(INIT "--seed 3 --set $SMALL --out $SCRATCH/m.safetensors; cd $SCRATCH; gctmask "
                       "convert m.safetensors --to state-dict --out dict.safetensors --quiet; "
                       "gctmask convert dict.safetensors --backbone-only --config " TESTS_DIR
                       "/../configs/demo.json --set $SMALL --out start.safetensors --quiet; $TRAIN "
                       "--set $SMALL --dry-run --out nothing --init start.safetensors"),
        0);
    EXPECT_CONTAINS(program_errors, " parameters taken\n");
    EXPECT_CONTAINS(program_errors, "start.safetensors has these as they are drawn, untrained: "
                                    "pyramid, proposals, box head, mask head\n");
    EXPECT_INT(run_train(INIT "--seed 3 --set $SMALL,fpn.channels=32,box.hidden=64,mask.convs=2 "
                              "--out $SCRATCH/wide.safetensors; $TRAIN --set $SMALL --dry-run "
                              "--out $SCRATCH/nothing --init $SCRATCH/wide.safetensors "
                              "--init-parts backbone"),
               0);
    EXPECT_CONTAINS(program_errors,
                    "info: these start afresh: pyramid, proposals, box head, mask head\n");
    EXPECT(strstr(program_errors, "drawn") == NULL);
}

// What was trained is not said to be drawn.
static void trained(void) {
    train_set();
    EXPECT_INT(run_train("$TRAIN --set $SMALL,schedule.iterations=2 --out $SCRATCH/trained --quiet "
                         ">/dev/null; $TRAIN --set $SMALL --dry-run --out $SCRATCH/nothing --init "
                         "$SCRATCH/trained/checkpoints/step-0000002/model.safetensors"),
               0);
    EXPECT_CONTAINS(program_errors, " parameters taken\n");
    EXPECT(strstr(program_errors, "drawn") == NULL);
}

// ---- Pictures ----

// Weights that expect other numbers are of no use; the same numbers in another notation are.
static void inputs(void) {
    static const struct {
        const char *set;
        int code;
        const char *message;
    } cases[] = {
        {"input.channel_order=bgr", 65,
         "has the channels in the order bgr, this model in rgb: set input.channel_order=bgr"},
        {"input.pixel_range=255", 65, "sees a white pixel as 1.11e+03, this model as 2.25: set "},
        {"input.mean=0,0,0", 65, "sees a black pixel as 0, this model as -2.12: set input.mean, "},
        {"input.std=0.229,0.3,0.225", 65, "pixel as "},
        {"input.pixel_range=255,input.mean=123.675,116.28,103.53,input.std=58.395,57.12,57.375", 0,
         " parameters taken"},
        {"input.mean=0.48,0.46,0.41", 0, " parameters taken"},
        {"conventions=torchvision", 0, "was trained with other conventions"},
    };
    train_set();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[1024];
        snprintf(line, sizeof line,
                 INIT "--set $SMALL,%s --out $SCRATCH/o.safetensors; $TRAIN --set $SMALL --dry-run "
                      "--out $SCRATCH/nothing --init $SCRATCH/o.safetensors",
                 cases[i].set);
        EXPECT_INT(run_train(line), cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"initialised", initialised},
                         {"initialised_exactly", initialised_exactly},
                         {"not_initialised", not_initialised},
                         {"other_names", other_names},
                         {"fresh_classes", fresh_classes},
                         {"backbone", backbone},
                         {"trained", trained},
                         {"inputs", inputs},
                         {0},
                     });
}
