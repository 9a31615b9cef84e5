// gctmask train from end to end.
//
// A run that is killed again and again must end as one that is not. Here it is killed a few times;
//     GCTMASK_TEST_KILLS=50 build/tests/test_tools_train killed
// kills it 50 times.
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/harness.h"
#include "tests/program.h"
#include "tests/sanitized.h"
#include "tests/tools/check_train.h"

#define LATEST "checkpoints/$(cat $SCRATCH/run/checkpoints/latest)"

// ---- A run ----

static void run(void) {
    train_set();
    EXPECT_INT(run_train("rm -rf $SCRATCH/run; $TRAIN --set $SMALL,schedule.iterations=6 --out "
                         "$SCRATCH/run --log-every "
                         "2 --eval-every 3 --save-every 2 --keep 2"),
               0);
    EXPECT_TEXT(program_errors, "");
    static const char *const PARTS[] = {
        // The banner.
        "train  ", "/instances_train.json: 11 images, 60 objects\n",
        "left out: 1 images without objects\n", "left out: 3 crowd regions\n", "val    ",
        "/instances_val.json: 4 images, 18 objects\n", "model  ",
        "configs/demo.json: ", "backbone.attention         gct ", "schedule.iterations        6",
        "command line\n",
        "plan   6 steps of 4 images in groups of 2; learning rate 0.02, x 0.1 at 1000000; ",
        "; warm-up 4 steps\n", "/run: 1 process of 1 thread, seed 1\n",
        // The lines.
        "step      2/6 | loss ", "step      4/6 | loss ", "step      6/6 | loss ", "| eta 0.0 s\n",
        "eval      3/6 | box AP 0.", "eval      6/6 | box AP 0.", " | best so far\n", "saved ",
        "/run/checkpoints/step-0000006\n", "\nbest 0.", "\nbox AP 0.", "\nmask AP 0."};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        EXPECT_CONTAINS(program_output, PARTS[i]);
}

static void folder(void) {
    run();
    char output[sizeof program_output];
    memcpy(output, program_output, sizeof output);
    // log.txt has what was printed.
    EXPECT_INT(run_program("cat $SCRATCH/run/log.txt"), 0);
    EXPECT_TEXT(program_output, output);
    EXPECT_INT(
        run_program("cd $SCRATCH/run; ls -A | sed s/tfevents.*/tfevents/; ls checkpoints/*/; "
                    "cat checkpoints/latest; grep state run.json; grep '\"step\"' run.json"),
        0);
    EXPECT_CONTAINS(program_output,
                    "checkpoints\nconfig.json\nevents.out.tfevents\nlog.txt\nmetrics.csv\n"
                    "metrics.jsonl\nresults.json\nrun.json\ntiming.jsonl\n");
    EXPECT_CONTAINS(program_output, "checkpoints/step-0000004/:\nMANIFEST.json\nmodel.safetensors\n"
                                    "momentum.safetensors\nstate.json\n");
    EXPECT_CONTAINS(program_output, "checkpoints/step-0000006/:\n");
    EXPECT(strstr(program_output, "step-0000002") == NULL);
    EXPECT_CONTAINS(program_output, "step-0000006\n  \"state\": \"finished\",\n  \"step\": 6,\n");
    EXPECT_INT(run_program("cut -c1-31 $SCRATCH/run/metrics.jsonl"), 0);
    EXPECT_TEXT(program_output, "{\"v\":1,\"kind\":\"train\",\"step\":2,\n"
                                "{\"v\":1,\"kind\":\"eval\",\"step\":3,\"\n"
                                "{\"v\":1,\"kind\":\"train\",\"step\":4,\n"
                                "{\"v\":1,\"kind\":\"train\",\"step\":6,\n"
                                "{\"v\":1,\"kind\":\"eval\",\"step\":6,\"\n");
    EXPECT_INT(run_program("cut -d, -f1,2 $SCRATCH/run/metrics.csv"), 0);
    EXPECT_TEXT(program_output, "kind,step\ntrain,2\neval,3\ntrain,4\ntrain,6\neval,6\n");
    // config.json is a configuration that gives the same model.
    EXPECT_INT(
        run_program("cd $SCRATCH; gctmask info run/config.json --size 64x48 >a; gctmask info "
                    "run/" LATEST "/model.safetensors --size 64x48 >b; "
                    "tail -n +2 a >c; tail -n +2 b | cmp - c"),
        0);
}

// Long enough to find something.
static void same_scores_as_eval(void) {
    train_set();
    EXPECT_INT(run_train("$TRAIN --set $SMALL,schedule.iterations=150,solver.clip_norm=5 --out "
                         "$SCRATCH/long --save-every 0 --eval-every 0 && "
                         "$EVAL --weights $SCRATCH/long/checkpoints/step-0000150/model.safetensors "
                         "--json --save-results $SCRATCH/results.json >$SCRATCH/eval.json"),
               0);
    EXPECT_CONTAINS(program_output, "best 0.");
    // Every digit of the averages of boxes, then of masks.
    EXPECT_INT(run_program("cd $SCRATCH; grep -oE '^    \"AP(50|75)?\": [^,]*' eval.json | "
                           "sed 's/.*: //' >a; tail -1 long/metrics.jsonl | "
                           "grep -oE '_ap(50|75)?\":[^,]*' | sed 's/.*://' >b; cat a; cmp a b"),
               0);
    EXPECT(atof(program_output) > 0.005);
    EXPECT_INT(run_program("cd $SCRATCH; cmp results.json long/results.json"), 0);
}

static void dry_run(void) {
    train_set();
    EXPECT_INT(run_train("$TRAIN --set $SMALL --out $SCRATCH/nothing --dry-run; ls $SCRATCH"), 0);
    EXPECT_CONTAINS(program_output, "plan   1000 steps of 4 images");
    EXPECT(strstr(program_output, "nothing\n") == NULL);
    EXPECT(strstr(program_output, "step ") == NULL);
    EXPECT_TEXT(program_errors, "");
}

// Of the whole process, most of which is the program and its libraries here;
// tests/train/test_memory looks at what training adds.
static void memory(void) {
    if (SANITIZED) skip_case("memory is another under sanitizers");
    train_set();
    EXPECT_INT(
        run_train("$TRAIN --set $SMALL,schedule.iterations=4,input.short_side=192,"
                  "input.long_side=256,fpn.channels=64,mask.conv_channels=64 --log-every 4 --out "
                  "$SCRATCH/memory >$SCRATCH/said; sed -n 's/^memory about \\([0-9.]*\\) "
                  "\\([KMG]i\\)B: .* 2 images padded to 256 x 192 .*/\\1\\2/p' $SCRATCH/said | "
                  "numfmt --from=iec-i; sed 's/.*memory_bytes\":\\([0-9]*\\).*/\\1/' "
                  "$SCRATCH/memory/timing.jsonl"),
        0);
    char *end = NULL;
    double foretold = strtod(program_output, &end);
    double measured = strtod(end, NULL);
    printf("         %.0f MiB foretold, %.0f taken\n", foretold / 0x1p20, measured / 0x1p20);
    REQUIRE(measured > 0);
    EXPECT_NEAR(foretold / measured, 1, 0.25);
}

static void rescaled(void) {
    train_set();
    EXPECT_INT(run_train("$TRAIN --set $SMALL,schedule.iterations=100 --batch 2 --out "
                         "$SCRATCH/nothing --dry-run"),
               0);
    EXPECT_CONTAINS(program_output, "batch  2 images instead of 4: learning rate and steps are "
                                    "scaled in proportion (linear rule)\n"
                                    "plan   200 steps of 2 images in groups of 2; learning rate "
                                    "0.01, x 0.1 at 2000000; warm-up 4 steps\n");
    // A run keeps it, so that nothing is scaled twice.
    EXPECT_INT(run_train("R=\"--out $SCRATCH/rescaled --batch 2 --set "
                         "$SMALL,schedule.iterations\"\n"
                         "$TRAIN $R=1 && $TRAIN $R=2 --resume >$SCRATCH/a; grep -A1 ^batch "
                         "$SCRATCH/a"),
               0);
    EXPECT_CONTAINS(program_output, "\nplan   4 steps of 2 images");
}

// ---- What is refused, and what is worth a word ----

static void frozen_norms(void) {
    train_set();
    EXPECT_INT(run_train("$TRAIN --set $SMALL,backbone.norm=frozen_bn --out $SCRATCH/nothing "
                         "--dry-run"),
               0);
    EXPECT_CONTAINS(program_errors, "warning: the backbone's batch norms are frozen");
}

static void refused(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } CASES[] = {
        {"$TRAIN --set $SMALL --out $SCRATCH/run", 64,
         "/run: this folder holds a run: resume it, or give another folder"},
        {"$TRAIN --set $SMALL --out $SCRATCH/gone --resume", 64, "there is no run to resume"},
        {"$TRAIN --set $SMALL --out $SCRATCH/set --resume", 64, "there is no run to resume"},
        {"$TRAIN --set $SMALL --out $I/train_000001.jpg/run", 73, "train_000001.jpg"},
        {"$TRAIN --set $SMALL --seed 5 --set $SMALL,schedule.iterations=6 --out $SCRATCH/run "
         "--resume",
         64, "--seed is 5, but the run has 1"},
        {"$TRAIN --set $SMALL,schedule.iterations=6,solver.momentum=0.5 --out $SCRATCH/run "
         "--resume",
         64, "it was trained with solver.momentum 0.9, not with 0.5"},
        {"$TRAIN --set $SMALL,solver.momentun=0.5 --out $SCRATCH/x", 64, "solver.momentum"},
        {"$TRAIN --set $SMALL,schedule.group=3 --out $SCRATCH/x", 65,
         "4 is not a multiple of schedule.group, 3"},
        {"$TRAIN --set $SMALL --out $SCRATCH/x --stepz 3", 64, "--stepz: no such option"},
        {"$TRAIN --set $SMALL", 64, "--out RUN is required"},
        {"$TRAIN --set $SMALL --out $SCRATCH/x --log-every 0", 64, "--log-every"},
        {"$TRAIN --set $SMALL --out $SCRATCH/x --image-dir $A", 66,
         "(of 11 images, 11 cannot); is --image-dir right?"},
        {"$TRAIN --set $SMALL --out $SCRATCH/x --val-image-dir $A", 66,
         "(of 4 images, 4 cannot); is --image-dir right?"},
        {"$TRAIN --set $SMALL --out $SCRATCH/x --ann $SCRATCH/gone.json", 66, "gone.json"},
        {"$TRAIN --set $SMALL --out $SCRATCH/x --ann $I/train_000001.jpg", 65, "train_000001.jpg"},
        {"$TRAIN --set $SMALL,classes.names=disk,ring --out $SCRATCH/x", 65, "square"},
        {"$TRAIN --set $SMALL --out $SCRATCH/x --config $SCRATCH/gone.json", 66, "gone.json"},
    };
    run();
    EXPECT_INT(run_program("cat $SCRATCH/run/config.json >$SCRATCH/config-before"), 0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int code = run_train(CASES[i].line);
        EXPECT_INT(code, CASES[i].code);
        EXPECT_CONTAINS(program_errors, CASES[i].message);
        if (code != CASES[i].code) printf("         %s\n", CASES[i].line);
        EXPECT(strstr(program_output, "step ") == NULL);
    }
    // None of this left anything, nor took anything away.
    EXPECT_INT(run_train("cmp $SCRATCH/run/config.json $SCRATCH/config-before && ls $SCRATCH/x"),
               2);
    EXPECT_INT(run_train("$TRAIN --set $SMALL,schedule.iterations=8 --out $SCRATCH/run --resume"),
               0);
    EXPECT_CONTAINS(program_output, "going on from step 6\n");
    EXPECT_CONTAINS(program_output, "step      8/8 | ");
}

// A picture that is damaged ends the run, which says so and can go on.
static void damaged_image(void) {
    train_set();
    EXPECT_INT(run_train("cp -r $I $SCRATCH/damaged; for i in 3 5; do head -c 600 "
                         "$I/train_00000$i.jpg >$SCRATCH/damaged/train_00000$i.jpg; done\n"
                         "R=\"--set $SMALL,schedule.iterations=9 --out $SCRATCH/hurt --save-every "
                         "1\"; $TRAIN $R --image-dir $SCRATCH/damaged --val-image-dir $I"),
               65);
    EXPECT_CONTAINS(program_errors, "/damaged/train_00000");
    EXPECT_INT(run_train("grep -A1 state $SCRATCH/hurt/run.json; "
                         "R=\"--set $SMALL,schedule.iterations=9 --out $SCRATCH/hurt\"; "
                         "$TRAIN $R --resume"),
               0);
    EXPECT_CONTAINS(program_output, "\"state\": \"failed\",\n  \"message\": \"/");
    EXPECT_CONTAINS(program_output, "step      9/9 | ");
}

// ---- Signals ----

// Starts a training in the background, in which Ctrl-C works, and waits for its first checkpoint.
#define START(options)                                                                             \
    "set -- $TRAIN " options "; shift\n"                                                           \
    "env --default-signal=INT " GCTMASK " \"$@\" >$SCRATCH/log & P=$!\n"                           \
    "for ((i = 0; i < 600; i++)); do [ -e $SCRATCH/signal/checkpoints/latest ] && break; "         \
    "sleep 0.1; done\n"

static void interrupted(void) {
    train_set();
    EXPECT_INT(
        run_train("R=\"--set $SMALL,schedule.iterations=2000 --out $SCRATCH/signal\"\n" START(
            "$R --save-every 2 --eval-every 4") "kill -INT $P; wait $P"),
        130);
    EXPECT_INT(run_program("cd $SCRATCH/signal; tail -1 ../log; grep state run.json; "
                           "cat checkpoints/latest"),
               0);
    EXPECT_CONTAINS(program_output, "interrupted at step ");
    EXPECT_CONTAINS(program_output, "; the same command with --resume goes on\n");
    EXPECT_CONTAINS(program_output, "\"interrupted\"");
    // What a killed process leaves while it writes goes away.
    EXPECT_INT(run_train("cd $SCRATCH/signal; touch run.json.tmp.0123abcd "
                         "checkpoints/latest.tmp.0123abcd run.json.tmp.mine\n"
                         "S=$(sed s/step-0*// checkpoints/latest)\n"
                         "grep -q \"at step $S;\" $SCRATCH/log || exit 9\n"
                         "$TRAIN --set $SMALL,schedule.iterations=$((S + 2)) --out $SCRATCH/signal "
                         "--resume | sed \"s/step $S$/step S/\""),
               0);
    EXPECT_CONTAINS(program_output, "going on from step S\n");
    EXPECT_CONTAINS(program_output, "\nbest 0.");
    EXPECT_INT(run_program("cd $SCRATCH/signal; ls . checkpoints | grep tmp"), 0);
    EXPECT_TEXT(program_output, "run.json.tmp.mine\n");
    // SIGTERM likewise; SIGUSR1 is a request and no failure.
    EXPECT_INT(run_train("rm -r $SCRATCH/signal; R=\"--set $SMALL --out $SCRATCH/signal\"\n" START(
                   "$R --save-every 2") "kill -TERM $P; wait $P"),
               143);
    EXPECT_INT(run_train("rm -r $SCRATCH/signal; R=\"--set $SMALL --out $SCRATCH/signal\"\n" START(
                   "$R --save-every 2") "kill -USR1 $P; wait $P; C=$?; tail -1 $SCRATCH/log; exit "
                                        "$C"),
               0);
    EXPECT_CONTAINS(program_output, "interrupted at step ");
}

// Signals are left to one thread that is there for nothing else: in those that compute, a handler
// would write over what oneDNN keeps below the stack pointer. The masks have SIGINT, SIGUSR1 and
// SIGTERM.
static void signals_aside(void) {
    train_set();
    EXPECT_INT(
        run_train("rm -rf $SCRATCH/signal; R=\"--set $SMALL --out $SCRATCH/signal\"\n" START(
            "$R --save-every 2 --threads 2") "cat /proc/$P/task/*/status | grep SigBlk: | sort | "
                                             "uniq -c; grep SigBlk: /proc/$P/task/$P/status; "
                                             "kill -KILL $P"),
        0);
    EXPECT_CONTAINS(program_output, "      1 SigBlk:\t0000000000000000\n");
    EXPECT_CONTAINS(program_output, "\nSigBlk:\t0000000000004202\n");
}

static void out_of_time(void) {
    train_set();
    EXPECT_INT(run_train("$TRAIN --set $SMALL --out $SCRATCH/late --max-hours 1e-9"), 75);
    EXPECT_CONTAINS(program_output,
                    "out of time at step 1; the same command with --resume goes on\n");
}

// ---- Killed ----

enum { KILL_STEPS = 12, DEFAULT_KILLS = 10 };

#define KILL_OPTIONS                                                                               \
    "--set $SMALL,schedule.iterations=12 --log-every 2 --eval-every 2 --save-every 1 --keep 2 "    \
    "--quiet "

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void rest(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)(1e9 * (seconds - (double)time.tv_sec));
    nanosleep(&time, NULL);
}

static bool is_there(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return access(path, F_OK) == 0;
}

// Starts the script that train_script wrote, as a process that is the training itself.
static pid_t start(const char *resume) {
    char script[512];
    snprintf(script, sizeof script, "%s/train.sh", scratch_folder());
    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, STDIN_FILENO);
        dup2(nothing, STDOUT_FILENO);
        execlp("bash", "bash", script, resume, (char *)NULL);
        _exit(127);
    }
    REQUIRE(child > 0);
    return child;
}

// Lets it live for so many seconds. True if it ended by itself before, which must be well.
static bool ends_within(pid_t child, double seconds) {
    int status = 0;
    double end = now() + seconds;
    while (now() < end) {
        if (waitpid(child, &status, WNOHANG) == child) {
            EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            return true;
        }
        rest(0.002);
    }
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, &status, 0) == child);
    return false;
}

// What the training was at when it was killed, as far as its folder shows.
struct moments {
    int64_t saving, evaluating;
};

static void note_moment(struct moments *moments) {
    run_program("cd $SCRATCH/killed 2>/dev/null || exit; ls -d checkpoints/.tmp-* 2>/dev/null; "
                "tail -1 metrics.jsonl 2>/dev/null");
    moments->saving += strstr(program_output, ".tmp-") != NULL;
    // After the line of an even step comes its evaluation.
    const char *line = strstr(program_output, "\"kind\":\"train\",\"step\":");
    moments->evaluating += line && atoi(line + 22) % 2 == 0;
}

// From the beginning to the end, killed on the way; returns how often.
static int64_t run_and_kill(struct random *random, double whole_seconds, int64_t most,
                            struct moments *moments) {
    int64_t num_kills = 0;
    double seconds = 0;
    run_program("rm -rf $SCRATCH/killed");
    do {
        // Sometimes before anything is there, sometimes after all is done.
        seconds = num_kills < most ? random_between(random, 0, 1.2 * whole_seconds) : 1e9;
        if (ends_within(start(is_there("killed/run.json") ? "--resume" : ""), seconds)) break;
        note_moment(moments);
        num_kills++;
    } while (true);
    return num_kills;
}

static void expect_same_end(void) {
    EXPECT_INT(
        run_program("cd $SCRATCH; for f in metrics.{jsonl,csv} results.json checkpoints/latest "
                    "checkpoints/best checkpoints/step-0000012/{model.safetensors,"
                    "momentum.safetensors,state.json}; do cmp whole/$f killed/$f || exit 1; "
                    "done; ls -A killed killed/checkpoints | grep tmp"),
        1);
    EXPECT_TEXT(program_errors, "");
    EXPECT_TEXT(program_output, ""); // nothing is left of those that were killed
}

static void killed(void) {
    const char *wanted = getenv("GCTMASK_TEST_KILLS");
    int64_t most = wanted ? atoi(wanted) : DEFAULT_KILLS;
    struct random random = random_stream(1, 1);
    struct moments moments = {0};
    train_set();
    EXPECT_INT(run_train("$TRAIN --out $SCRATCH/whole " KILL_OPTIONS "\n"
                         "set -- $TRAIN --out $SCRATCH/killed " KILL_OPTIONS "; shift\n"
                         "printf '%q ' exec " GCTMASK " \"$@\" >$SCRATCH/train.sh; echo '\"$1\"' "
                         ">>$SCRATCH/train.sh; sed -i 's/ \"$1\"/ $1/' $SCRATCH/train.sh"),
               0);
    double begin = now();
    run_program("rm -rf $SCRATCH/killed");
    EXPECT(ends_within(start(""), 1e9));
    double whole_seconds = now() - begin;
    expect_same_end();
    for (int64_t count = 0; count < most;) {
        count += run_and_kill(&random, whole_seconds, most - count, &moments);
        expect_same_end();
    }
    printf("         %lld kills, %lld while saving, %lld while evaluating\n", (long long)most,
           (long long)moments.saving, (long long)moments.evaluating);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"folder", folder},
                         {"same_scores_as_eval", same_scores_as_eval},
                         {"dry_run", dry_run},
                         {"memory", memory},
                         {"rescaled", rescaled},
                         {"frozen_norms", frozen_norms},
                         {"refused", refused},
                         {"damaged_image", damaged_image},
                         {"interrupted", interrupted},
                         {"signals_aside", signals_aside},
                         {"out_of_time", out_of_time},
                         {"killed", killed},
                         {0},
                     });
}
