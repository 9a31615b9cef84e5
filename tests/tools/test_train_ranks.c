// gctmask train in two processes: the same training as in one but for the order of sums, the same
// bytes in every run with as many, and an end for all when one dies.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_ranks.h"
#include "tests/tools/check_tensors.h"
#include "tests/tools/check_train.h"

// In front of a line with $TRAIN, as bash functions are not for mpirun.
#define RANKS "ranks() { shift; " MPIRUN(2) GCTMASK " \"$@\"; }\n"

#define OPTIONS                                                                                    \
    " --log-every 2 --eval-every 4 --save-every 2 --keep 100 --set "                               \
    "$SMALL,schedule.iterations=8,schedule.warmup=2 "

// Shares of the largest number. Measured after 8 steps: 1.2e-7, in the momentum 4.3e-7, 1.3e-7.
static const double WEIGHTS_TOLERANCE = 1e-5;
static const double METRICS_TOLERANCE = 1e-5;

static int run(const char *line) {
    char whole[2600];
    snprintf(whole, sizeof whole, RANKS_ENVIRONMENT RANKS "%s", line);
    return run_train(whole);
}

static void begin(void) {
    if (run_program("command -v mpirun") != 0)
        skip_case("mpirun is not installed (package openmpi-bin)");
    train_set();
}

// Makes the runs that others are compared with, once.
static void begin_with_runs(void) {
    begin();
    EXPECT_INT(run("test -e $SCRATCH/one || $TRAIN --out $SCRATCH/one" OPTIONS), 0);
    EXPECT_INT(run("test -e $SCRATCH/two || ranks $TRAIN --out $SCRATCH/two" OPTIONS), 0);
    EXPECT_TEXT(program_errors, "");
}

// ---- Two processes and one ----

// The largest relative difference between the numbers of two texts that are the same otherwise.
static double compare_texts(const char *name, const char *other) {
    struct file_view views[2];
    double difference = 0;
    open_scratch_file(&views[0], name);
    open_scratch_file(&views[1], other);
    const char *a = views[0].data;
    const char *b = views[1].data;
    while (a < views[0].data + views[0].size && *a == *b) {
        bool is_number = *a == ':' && a[1] >= '0' && a[1] <= '9';
        a++;
        b++;
        if (!is_number) continue;
        char *ends[2];
        double x = strtod(a, &ends[0]);
        double y = strtod(b, &ends[1]);
        difference = fmax(difference, fabs(x - y) / fmax(fabs(x), 1e-3));
        a = ends[0];
        b = ends[1];
    }
    EXPECT(a == views[0].data + views[0].size && b == views[1].data + views[1].size);
    file_view_close(&views[0]);
    file_view_close(&views[1]);
    return difference;
}

static void as_one_process(void) {
    begin_with_runs();
    double weights = compare_tensors("one/checkpoints/step-0000008/model.safetensors",
                                     "two/checkpoints/step-0000008/model.safetensors");
    double momentum = compare_tensors("one/checkpoints/step-0000008/momentum.safetensors",
                                      "two/checkpoints/step-0000008/momentum.safetensors");
    double metrics = compare_texts("one/metrics.jsonl", "two/metrics.jsonl");
    printf("         weights differ by %.1e, momentum by %.1e, metrics by %.1e\n", weights,
           momentum, metrics);
    EXPECT(weights <= WEIGHTS_TOLERANCE);
    EXPECT(momentum <= 10 * WEIGHTS_TOLERANCE);
    EXPECT(metrics <= METRICS_TOLERANCE);
    EXPECT_INT(run_program("grep -c loss $SCRATCH/one/metrics.jsonl; "
                           "grep '^run ' $SCRATCH/two/log.txt"),
               0);
    EXPECT_CONTAINS(program_output, "6\nrun "); // 4 lines and 2 evaluations
    EXPECT_CONTAINS(program_output, ": 2 processes of 1 thread, seed 1\n");
}

#define SAME_BYTES(name)                                                                           \
    "cd $SCRATCH; for f in metrics.{jsonl,csv} checkpoints/step-0000008/{model.safetensors,"       \
    "momentum.safetensors,state.json}; do cmp two/$f " name "/$f || exit 1; done"

// --procs starts the processes itself.
static void procs(void) {
    begin_with_runs();
    EXPECT_INT(run("$TRAIN --procs 2 --out $SCRATCH/procs" OPTIONS "; " SAME_BYTES("procs")), 0);
    EXPECT_TEXT(program_errors, "");
    // As many as a batch has groups, and no more.
    EXPECT_INT(run("$TRAIN --procs 3 --out $SCRATCH/many" OPTIONS), 64);
    EXPECT_CONTAINS(program_errors, "3 processes, but a batch of 4 images in groups of 2 has work "
                                    "for 2; set schedule.group to 1 or less");
    EXPECT_INT(run("ls $SCRATCH/many"), 2);
}

// ---- Evaluation ----

// Of a model that finds something. With a learning rate of 0 both evaluate the same weights.
static void shared_evaluation(void) {
    begin();
    EXPECT_INT(
        run("$TRAIN --set $SMALL,schedule.iterations=150,solver.clip_norm=5 --out $SCRATCH/long "
            "--save-every 0 --eval-every 0 >/dev/null\n"
            "O=\"--set $SMALL,schedule.iterations=1,solver.learning_rate=0 --init "
            "$SCRATCH/long/checkpoints/step-0000150/model.safetensors --quiet\"\n"
            "$TRAIN $O --out $SCRATCH/e1 >/dev/null && ranks $TRAIN $O --out $SCRATCH/e2 "
            ">/dev/null\n"
            "cd $SCRATCH; cmp e1/checkpoints/step-0000001/model.safetensors "
            "e2/checkpoints/step-0000001/model.safetensors\n"
            "cmp e1/results.json e2/results.json; grep -c image_id e1/results.json\n"
            "for r in e1 e2; do grep eval $r/metrics.jsonl | sed 's/,\"loss.*//' >$r.scores; done; "
            "cmp e1.scores e2.scores; sed 's/.*box_ap\"://' e1.scores"),
        0);
    EXPECT_TEXT(program_errors, "");
    // Four images with 20 detections.
    static const char BEGINNING[] = "80\n";
    EXPECT(strncmp(program_output, BEGINNING, sizeof BEGINNING - 1) == 0);
    EXPECT(atof(program_output + sizeof BEGINNING - 1) > 0.005);
}

// ---- The end of one, and going on ----

// Starts two processes by $1 in the background, as $P, and waits for a checkpoint.
#define START(command)                                                                             \
    "rm -rf $SCRATCH/hurt; set -m; " command " >$SCRATCH/log 2>$SCRATCH/errors & P=$!; set +m\n"   \
    "for ((i = 0; i < 600; i++)); do [ -e $SCRATCH/hurt/checkpoints/latest ] && break; "           \
    "sleep 0.1; done\n"
#define LONG                                                                                       \
    " --log-every 2 --eval-every 4 --save-every 2 --keep 100 --set "                               \
    "$SMALL,schedule.iterations=5000,schedule.warmup=2 --out $SCRATCH/hurt"

static void one_is_killed(void) {
    begin_with_runs();
    // The last of mpirun's children.
    EXPECT_INT(run(START("exec " MPIRUN(2) GCTMASK
                         " ${TRAIN#gctmask}" LONG) "kill -KILL $(pgrep -P $P | tail -1)\n"
                                                   "timeout 60 tail --pid=$P -f /dev/null || "
                                                   "exit 99; wait $P"),
               137);
    EXPECT_INT(run_program("cat $SCRATCH/errors"), 0);
    EXPECT_CONTAINS(program_output, "on signal 9 (Killed)");
    // Nobody is left.
    EXPECT_INT(run_program("pgrep -f $SCRATCH/hurt"), 1);
    // Shortened to the length of the others, it ends as they do.
    EXPECT_INT(
        run("cd $SCRATCH/hurt/checkpoints; for s in step-*; do [ ${s#step-} -gt 8 ] && rm -r "
            "$s; done; ranks $TRAIN --out $SCRATCH/hurt --resume" OPTIONS "; " SAME_BYTES("hurt")),
        0);
}

// Both processes save together, and go on together.
static void interrupted(void) {
    begin_with_runs();
    EXPECT_INT(run(START("env --default-signal=INT " GCTMASK
                         " ${TRAIN#gctmask} --procs 2" LONG) "kill -INT $P; wait $P"),
               130);
    EXPECT_INT(run_program("cat $SCRATCH/errors; tail -1 $SCRATCH/log; grep state "
                           "$SCRATCH/hurt/run.json"),
               0);
    EXPECT_CONTAINS(program_output, "interrupted at step ");
    EXPECT_CONTAINS(program_output, "\"interrupted\"");
    EXPECT_INT(
        run("cd $SCRATCH/hurt/checkpoints; for s in step-*; do [ ${s#step-} -gt 8 ] && rm -r "
            "$s; done; $TRAIN --procs 2 --out $SCRATCH/hurt --resume" OPTIONS
            "; " SAME_BYTES("hurt")),
        0);
}

// The image is in the share of one of them.
static void one_fails(void) {
    begin();
    EXPECT_INT(run("cp -r $I $SCRATCH/damaged; head -c 600 $I/train_000003.jpg "
                   ">$SCRATCH/damaged/train_000003.jpg\n"
                   "timeout 100 " GCTMASK " ${TRAIN#gctmask} --procs 2 --out $SCRATCH/fails" OPTIONS
                   " --image-dir $SCRATCH/damaged --val-image-dir $I"),
               65);
    EXPECT_CONTAINS(program_errors, "damaged/train_000003.jpg: ");
    EXPECT_INT(run_program("grep -A1 state $SCRATCH/fails/run.json"), 0);
    EXPECT_CONTAINS(program_output, "\"failed\"");
    EXPECT_CONTAINS(program_output, "train_000003.jpg");
}

// Steps that are not finite in both processes, and in one of them, are left out by both; weights
// that a learning rate without measure has spoilt stay so. They may be infinite and are not saved.
static void not_finite(void) {
    begin();
    EXPECT_INT(run("timeout 100 " GCTMASK " ${TRAIN#gctmask} --procs 2 --on-nan skip:3 --out "
                   "$SCRATCH/spoilt --log-every 1 --eval-every 0 --save-every 50 --set "
                   "$SMALL,schedule.iterations=50,schedule.warmup=0,solver.learning_rate=1e6"),
               65);
    EXPECT_CONTAINS(program_errors, " is not finite");
    EXPECT_CONTAINS(program_errors, "; the step is left out (3 in a row, ");
    EXPECT_CONTAINS(program_errors, "; 3 in a row were left out before it");
    EXPECT(strstr(program_errors, "(4 in a row, ") == NULL);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"as_one_process", as_one_process},
                         {"procs", procs},
                         {"shared_evaluation", shared_evaluation},
                         {"one_is_killed", one_is_killed},
                         {"interrupted", interrupted},
                         {"one_fails", one_fails},
                         {"not_finite", not_finite},
                         {0},
                     });
}
