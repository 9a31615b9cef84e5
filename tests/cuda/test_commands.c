// The commands with --device cuda beside the same without it: detections, scores, training, many
// processes, the service, doctor.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/coco.h"
#include "tests/gpu.h"
#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_ranks.h"
#include "tests/tools/check_train.h"

// What decides how the device computes, from this test's environment.
static const char *const PASSED_ON[] = {"CUDA_EMULATOR_ORDER", "CUDA_EMULATOR_LAUNCH",
                                        "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"};

static bool is_emulated(void) {
    return strcmp(tested_cuda_module(CUDA_MODULE), CUDA_MODULE) == 0;
}

// A line of bash as for run_train. In it gctmask has the module that is tested.
static int run(const char *line) {
    char whole[2700];
    int size = snprintf(whole, sizeof whole, "export GCTMASK_CUDA_MODULE='%s'\n",
                        tested_cuda_module(CUDA_MODULE));
    for (size_t i = 0; i < sizeof PASSED_ON / sizeof PASSED_ON[0]; i++) {
        const char *value = getenv(PASSED_ON[i]);
        if (value)
            size += snprintf(whole + size, sizeof whole - (size_t)size, "export %s='%s'\n",
                             PASSED_ON[i], value);
    }
    snprintf(whole + size, sizeof whole - (size_t)size, "%s", line);
    REQUIRE(strlen(whole) < sizeof whole - 1);
    return run_train(whole);
}

// Pictures, and a model with fresh weights that finds something in each.
static void begin(void) {
    if (!is_emulated() && run("gctmask doctor | grep '^CUDA .* no: no device can be used'") == 0)
        skip_case(program_output);
    train_set();
    EXPECT_INT(run("test -e $SCRATCH/m.safetensors || gctmask init --config " TESTS_DIR
                   "/../configs/demo.json --set $SMALL --quiet --out $SCRATCH/m.safetensors"),
               0);
}

// ---- Detections ----

static bool is_near(const struct coco_annotation *a, const struct coco_annotation *b) {
    static const double PIXELS = 0.05;
    static const double SCORE = 1e-3;
    return a->image_id == b->image_id && a->category_id == b->category_id &&
           fabs(a->score - b->score) < SCORE && fabs(a->box.x - b->box.x) < PIXELS &&
           fabs(a->box.y - b->box.y) < PIXELS && fabs(a->box.width - b->box.width) < 2 * PIXELS &&
           fabs(a->box.height - b->box.height) < 2 * PIXELS;
}

static void load(struct coco_set *set, const char *name) {
    char path[512];
    struct error err;
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    EXPECT_OK(coco_load_results(set, path, &(struct coco_load_options){0}, &err), &err);
}

// Two files of results hold the same, but for a few of whom rounding decides which of two near ones
// suppresses the other.
static void expect_same_results(const char *name, const char *other) {
    struct coco_set sets[2];
    int64_t found = 0;
    load(&sets[0], name);
    load(&sets[1], other);
    for (int64_t i = 0; i < sets[0].num_annotations; i++) {
        bool is_found = false;
        for (int64_t j = 0; j < sets[1].num_annotations && !is_found; j++)
            is_found = is_near(&sets[0].annotations[i], &sets[1].annotations[j]);
        found += is_found;
    }
    EXPECT(sets[0].num_annotations >= 40);
    EXPECT_INT(sets[1].num_annotations, sets[0].num_annotations);
    EXPECT(found * 100 >= sets[0].num_annotations * 95);
    coco_destroy(&sets[0]);
    coco_destroy(&sets[1]);
}

#define ANNOTATE                                                                                   \
    "gctmask annotate $I/val_*.jpg --weights $SCRATCH/m.safetensors --score 0 --format "           \
    "coco-results "

static void annotate(void) {
    begin();
    EXPECT_INT(run(ANNOTATE "--out $SCRATCH/a1 --quiet && " ANNOTATE
                            "--out $SCRATCH/a2 --device cuda --quiet"),
               0);
    EXPECT_TEXT(program_errors, "");
    expect_same_results("a1/results.json", "a2/results.json");
    EXPECT_INT(run(ANNOTATE "--out $SCRATCH/a3 --device cuda --precision tf32 --tune --quiet"), 0);
    EXPECT_TEXT(program_errors, "");
    // Which of several devices it was does not matter for going on; whether it was one does.
    EXPECT_INT(run(ANNOTATE "--out $SCRATCH/a2 --device cuda:0 --resume"), 0);
    EXPECT_CONTAINS(program_errors, "resume: 4 of 4 already done");
    EXPECT_INT(run(ANNOTATE "--out $SCRATCH/a2 --resume"), 0);
    EXPECT_CONTAINS(program_errors, "resume: 0 of 4 already done");
}

static void eval(void) {
    begin();
    EXPECT_INT(run("E=\"$EVAL --weights $SCRATCH/m.safetensors --save-results $SCRATCH\"\n"
                   "$E/e1.json >$SCRATCH/s1 && $E/e2.json --device cuda >$SCRATCH/s2 && "
                   "wc -l <$SCRATCH/s2"),
               0);
    EXPECT_TEXT(program_errors, "");
    expect_same_results("e1.json", "e2.json");
    EXPECT(atoi(program_output) > 12);
}

// Processes that share the pictures have a device each.
static void own_devices(void) {
    if (!is_emulated()) skip_case("only the emulator has two devices to be sure of");
    begin();
    if (run("command -v mpirun") != 0) skip_case("mpirun is not installed (package openmpi-bin)");
    EXPECT_INT(run(ANNOTATE "--out $SCRATCH/o1 --quiet && $EVAL --weights $SCRATCH/m.safetensors "
                            "--save-results $SCRATCH/o1.json >/dev/null"),
               0);
    EXPECT_INT(run(RANKS_ENVIRONMENT "export CUDA_EMULATOR_DEVICES=2\n" ANNOTATE
                                     "--out $SCRATCH/o2 --quiet --device cuda --procs 2 && "
                                     "$EVAL --weights $SCRATCH/m.safetensors --save-results "
                                     "$SCRATCH/o2.json --device cuda --procs 2 >/dev/null"),
               0);
    expect_same_results("o1/results.json", "o2/results.json");
    expect_same_results("o1.json", "o2.json");
    static const char REFUSAL[] = "CUDA: device 1 is not there, expected 0 to 0";
    EXPECT_INT(run(RANKS_ENVIRONMENT ANNOTATE "--out $SCRATCH/o3 --device cuda --procs 2"), 75);
    EXPECT_CONTAINS(program_errors, REFUSAL);
    EXPECT_INT(run(RANKS_ENVIRONMENT "$EVAL --weights $SCRATCH/m.safetensors --device cuda "
                                     "--procs 2"),
               75);
    EXPECT_CONTAINS(program_errors, REFUSAL);
}

// ---- Training ----

#define OPTIONS                                                                                    \
    " --quiet --log-every 1 --eval-every 0 --save-every 2 --keep 100 --set "                       \
    "$SMALL,schedule.iterations=3 --out $SCRATCH/"

// The losses of the steps, and that of the evaluation at the end.
static int read_losses(const char *run_name, double losses[8]) {
    char line[256];
    int count = 0;
    snprintf(line, sizeof line, "sed 's/.*\"loss\"://' $SCRATCH/%s/metrics.jsonl", run_name);
    EXPECT_INT(run(line), 0);
    for (const char *at = program_output; count < 8 && *at; count++) {
        losses[count] = atof(at);
        at = strchr(at, '\n') ? strchr(at, '\n') + 1 : "";
    }
    return count;
}

static void expect_near_losses(const char *name, const char *other, double share) {
    double losses[2][8];
    EXPECT_INT(read_losses(name, losses[0]), 4);
    EXPECT_INT(read_losses(other, losses[1]), 4);
    for (int i = 0; i < 4; i++) {
        EXPECT(losses[0][i] > 1);
        EXPECT_NEAR(losses[1][i], losses[0][i], share * losses[0][i]);
    }
}

static void expect_same_losses(const char *name, const char *other) {
    expect_near_losses(name, other, 1e-3);
}

static void make_runs(void) {
    begin();
    EXPECT_INT(run("test -e $SCRATCH/cpu || $TRAIN" OPTIONS "cpu >/dev/null"), 0);
    EXPECT_INT(run("test -e $SCRATCH/cuda || $TRAIN --device cuda" OPTIONS "cuda >/dev/null"), 0);
    EXPECT_TEXT(program_errors, "");
}

static void train(void) {
    make_runs();
    expect_same_losses("cpu", "cuda");
    EXPECT_INT(run("grep -h '^run ' $SCRATCH/cuda/log.txt"), 0);
    EXPECT_CONTAINS(program_output, ": 1 process of 1 thread on cuda, seed 1\n");
}

static void train_in_16_bits(void) {
    make_runs();
    EXPECT_INT(run("$TRAIN --device cuda --precision bf16 --tune" OPTIONS "bf16 >/dev/null && "
                   "$TRAIN --device cuda --precision fp16" OPTIONS "fp16 >/dev/null"),
               0);
    EXPECT_TEXT(program_errors, "");
    expect_near_losses("cpu", "bf16", 0.05);
    expect_near_losses("cpu", "fp16", 0.02);
    EXPECT_INT(run("grep -c tuning: $SCRATCH/bf16/log.txt"), 0);
    EXPECT_INT(run("grep -c loss_scale $SCRATCH/bf16/checkpoints/step-0000003/state.json"), 1);
    EXPECT_INT(run("grep -A 2 loss_scale $SCRATCH/fp16/checkpoints/step-0000003/state.json"), 0);
    EXPECT_CONTAINS(program_output, "\"factor\": 65536,\n    \"steps\": 3\n");
}

// What one device has saved the other goes on with.
static void resume(void) {
    make_runs();
    EXPECT_INT(run("cp -r $SCRATCH/cuda $SCRATCH/on; rm -r $SCRATCH/on/checkpoints/step-0000003\n"
                   "$TRAIN --resume" OPTIONS "on >/dev/null; cat $SCRATCH/on/log.txt"),
               0);
    EXPECT_CONTAINS(program_output, "going on from step 2\n");
    expect_same_losses("cpu", "on");
}

// Two processes that share one device, and each batch.
static void ranks(void) {
    begin();
    if (run("command -v mpirun") != 0) skip_case("mpirun is not installed (package openmpi-bin)");
    make_runs();
    EXPECT_INT(run(RANKS_ENVIRONMENT MPIRUN(2) GCTMASK " ${TRAIN#gctmask} --device cuda:0" OPTIONS
                                                       "two >/dev/null"),
               0);
    expect_same_losses("cuda", "two");
    if (!is_emulated()) return;
    // Without a number each takes its own.
    EXPECT_INT(run(RANKS_ENVIRONMENT MPIRUN(2) GCTMASK " ${TRAIN#gctmask} --device cuda" OPTIONS
                                                       "three >/dev/null"),
               75);
    EXPECT_CONTAINS(program_errors, "rank 1: CUDA: device 1 is not there, expected 0 to 0");
}

// ---- The service ----

static void serve(void) {
    begin();
    if (run("command -v curl") != 0) skip_case("curl is not installed");
    EXPECT_INT(
        run("(exec '" GCTMASK "' serve --weights $SCRATCH/m.safetensors --listen "
            "127.0.0.1:0 --device cuda 2>$SCRATCH/log) & P=$!\n"
            "for ((i = 0; i < 600; i++)); do "
            "A=$(grep -o 'http://.*' $SCRATCH/log) && curl -sf $A/v1/health/ready && break; "
            "sleep 0.1; done >/dev/null\n"
            "curl -s $A/v1/info | grep -o '\"device\":\"cuda\"'\n"
            "for format in 1 2; do curl -s -T $I/val_000001.jpg "
            "\"$A/v1/detect?score=0&format=coco&image_id=1\" >$SCRATCH/d$format; done\n"
            "N=$(grep -c 'model m, version' $SCRATCH/log); kill -HUP $P\n"
            "for ((i = 0; i < 600; i++)); do "
            "[ $(grep -c 'model m, version' $SCRATCH/log) -gt $N ] && break; sleep 0.1; done\n"
            "curl -s -T $I/val_000001.jpg "
            "\"$A/v1/detect?score=0&format=coco&image_id=1\" >$SCRATCH/d3\n"
            "grep -c 'model m, version' $SCRATCH/log | sed \"s/^$((N + 1))$/changed/\"\n"
            "kill $P; wait $P; echo $?; cd $SCRATCH; cmp d1 d2; cmp d1 d3; "
            "grep -c image_id d1"),
        0);
    EXPECT_CONTAINS(program_output, "\"device\":\"cuda\"\n");
    EXPECT_CONTAINS(program_output, "\nchanged\n0\n1\n");
    EXPECT_INT(run("cat $SCRATCH/log"), 0);
    EXPECT_CONTAINS(program_output, "--device cuda: without the sandbox, as ");
}

// A line of bash that starts a service on two emulated devices, as $P and $A, and has functions
// that ask it: for one picture, for all at once, into a file of results.
#define TWO_DEVICES                                                                                \
    "export CUDA_EMULATOR_DEVICES=2 CUDA_EMULATOR_LOST=$SCRATCH/lost\n"                            \
    "mkdir -p $SCRATCH/lost\n"                                                                     \
    "(exec '" GCTMASK "' serve --weights $SCRATCH/m.safetensors --listen 127.0.0.1:0 --device "    \
    "cuda:0,cuda:1 --batch-max 1 --access-log $SCRATCH/access 2>$SCRATCH/log) & P=$!\n"            \
    "for ((i = 0; i < 600; i++)); do A=$(grep -o 'http://.*' $SCRATCH/log) && "                    \
    "curl -sf $A/v1/health/ready && break; sleep 0.1; done >/dev/null\n"                           \
    "one() { curl -sT $I/val_00000$1.jpg \"$A/v1/detect?score=0&round=false&format=coco&"          \
    "image_id=$1\"; }\n"                                                                           \
    "all() { for n in 1 2 3 4; do one $n >$SCRATCH/part$n & done; wait $(jobs -p | grep -v $P)\n"  \
    "(cd $SCRATCH; for n in 1 2 3 4; do tr -d '\\n' <part$n | sed 's/^ *\\[//; s/\\] *$//'; "      \
    "[ $n = 4 ] || echo ,; done | (echo [; cat; echo ])) >$SCRATCH/$1; }\n"

// Two contexts at once in one process, each on a device of its own, compute what one does alone and
// what the processor does; and one goes on when the other is lost.
static void serve_on_two(void) {
    if (!is_emulated()) skip_case("only the emulator has two devices to be sure of");
    begin();
    if (run("command -v curl") != 0) skip_case("curl is not installed");
    EXPECT_INT(run("rm -rf $SCRATCH/two-cpu; " ANNOTATE "--out $SCRATCH/two-cpu --quiet"), 0);
    EXPECT_INT(run(TWO_DEVICES "all two.json; all again.json\n"
                               "grep -o 'devices\":.*' $SCRATCH/access | sort | uniq -c\n"
                               "touch $SCRATCH/lost/1; all after.json; all lost.json\n"
                               "curl -s $A/v1/health/ready; curl -s $A/v1/info | grep -o "
                               "'\"devices\":[^]]*'; rm $SCRATCH/lost/1; kill -HUP $P\n"
                               "for ((i = 0; i < 600; i++)); do curl -s $A/v1/health/ready | "
                               "grep -q device_lost || break; sleep 0.1; done\n"
                               "curl -s $A/v1/info | grep -o '\"devices\":[^]]*'\n"
                               "kill $P; wait $P; echo exit $?; cd $SCRATCH\n"
                               "for f in again after lost; do cmp two.json $f.json; done"),
               0);
    EXPECT_CONTAINS(program_output, "devices\":[\"cuda:0\"]}\n");
    EXPECT_CONTAINS(program_output, "devices\":[\"cuda:1\"]}\n");
    EXPECT_CONTAINS(program_output,
                    "{\"status\":\"ready\",\"reason\":\"device_lost\"}\"devices\":[{\"name\":"
                    "\"cuda:0\",\"state\":\"serving\"},{\"name\":\"cuda:1\",\"state\":\"lost\"}\n");
    EXPECT_CONTAINS(program_output, "{\"name\":\"cuda:1\",\"state\":\"serving\"}\nexit 0\n");
    expect_same_results("two-cpu/results.json", "two.json");
}

// ---- Doctor ----

static void doctor(void) {
    begin();
    EXPECT_INT(run("gctmask doctor --device cuda"), 0);
    EXPECT_CONTAINS(program_output, "\nCUDA module     ");
    EXPECT_CONTAINS(program_output, "\ncuda:0          ");
    EXPECT_CONTAINS(program_output, "\nconvolution     ok ");
    EXPECT_CONTAINS(program_output, "\ndetection       ok ");
    if (!is_emulated()) return;
    EXPECT_CONTAINS(program_output, CUDA_MODULE ", of CUDA 13.0\nCUDA driver     13.1\n");
    EXPECT_CONTAINS(program_output, "emulated device, compute capability 9.0, 4.0 GiB\n");
    EXPECT_INT(run("export CUDA_EMULATOR_DEVICES=2; gctmask doctor --json | grep -A30 '\"cuda\"'"),
               0);
    EXPECT_CONTAINS(program_output, "\"cuda\": {\n    \"usable\": true,\n");
    EXPECT_CONTAINS(program_output, "\"toolkit\": \"13.0\",\n    \"driver\": \"13.1\",\n");
    EXPECT_CONTAINS(program_output, "\"compute_capability\": \"9.0\",\n");
    EXPECT_CONTAINS(program_output, "\"memory_bytes\": 4294967296,\n");
}

// Without a device doctor is content, unless it is to test one.
static void doctor_without_device(void) {
    if (!is_emulated()) skip_case("only the emulator has a machine without devices");
    EXPECT_INT(run("export CUDA_EMULATOR_DEVICES=0; gctmask doctor"), 0);
    EXPECT_CONTAINS(program_output, "\nCUDA            no: no device can be used: no CUDA-capable "
                                    "device is detected\nCUDA module     ");
    EXPECT_INT(run("export CUDA_EMULATOR_CAPABILITY=61; gctmask doctor --device cuda"), 1);
    EXPECT_CONTAINS(program_output, "\nCUDA            no: device 0 (emulated device) has compute "
                                    "capability 6.1, expected 7.5 or more\n");
    EXPECT_CONTAINS(program_output, "\n                not usable: device 0 (emulated device)");
    EXPECT_CONTAINS(program_output, "\nconvolution     FAILED");
    EXPECT_INT(run("export CUDA_EMULATOR_CAPABILITY=61; gctmask doctor --json"), 0);
    EXPECT_CONTAINS(program_output, "\"usable\": false");
}

// ---- Devices that are not there ----

static void expect_refusal(const char *environment, const char *device, const char *message) {
    static const char *const commands[] = {
        ANNOTATE "--out $SCRATCH/none", "$EVAL --weights $SCRATCH/m.safetensors",
        "$TRAIN --set $SMALL,schedule.iterations=1 --out $SCRATCH/none",
        "gctmask serve --weights $SCRATCH/m.safetensors --listen 127.0.0.1:0"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char line[1024];
        snprintf(line, sizeof line, "export %s; %s --device %s", environment, commands[i], device);
        EXPECT_INT(run(line), 75);
        EXPECT_CONTAINS(program_errors, message);
    }
}

static void refusals(void) {
    if (!is_emulated()) skip_case("only the emulator has such devices");
    begin();
    expect_refusal("CUDA_EMULATOR_DEVICES=2", "cuda:2",
                   ": CUDA: device 2 is not there, expected 0 to 1\n");
    expect_refusal("CUDA_EMULATOR_DEVICES=0", "cuda",
                   ": CUDA: no device can be used: no CUDA-capable device is detected\n");
    expect_refusal("CUDA_EMULATOR_CAPABILITY=70", "cuda",
                   ": CUDA: device 0 (emulated device) has compute capability 7.0, expected 7.5 "
                   "or more\n");
    EXPECT_INT(run("ls $SCRATCH/none"), 2);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"annotate", annotate},
                                          {"eval", eval},
                                          {"own devices", own_devices},
                                          {"train", train},
                                          {"train in 16 bits", train_in_16_bits},
                                          {"resume", resume},
                                          {"ranks", ranks},
                                          {"serve", serve},
                                          {"serve on two", serve_on_two},
                                          {"doctor", doctor},
                                          {"doctor without device", doctor_without_device},
                                          {"refusals", refusals},
                                          {0}});
}
