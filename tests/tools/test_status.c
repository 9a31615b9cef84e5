// gctmask status as a user meets it: runs in every state, with all that they record and without.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/program.h"

// ---- Run folders, written by hand ----

static void make_folder(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    REQUIRE(mkdir(path, 0777) == 0);
}

static void write_file(const char *folder, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", scratch_folder(), folder, name);
    FILE *file = fopen(path, "w");
    REQUIRE(file);
    fputs(text, file);
    fclose(file);
}

// A run of 3000 steps; rest: members of run.json from "state" on.
static void make_run(const char *name, const char *rest) {
    char record[1024];
    make_folder(name);
    snprintf(record, sizeof record,
             "{\"v\": 1, \"pid\": 4711, \"host\": \"node7\", \"version\": \"0.3.0\",\n"
             "\"started\": \"2026-03-01T09:00:00Z\", \"steps\": 3000, %s}\n",
             rest);
    write_file(name, "run.json", record);
}

static const char *const METRICS =
    "{\"v\":1,\"kind\":\"train\",\"step\":500,\"loss\":3,\"rpn_class\":1,\"rpn_box\":0.5,"
    "\"class\":0.5,\"box\":0.5,\"mask\":0.5,\"gradient_norm\":9,\"learning_rate\":0.01}\n"
    "{\"v\":1,\"kind\":\"eval\",\"step\":500,\"box_ap\":0.25,\"box_ap50\":0.5,\"box_ap75\":0.125,"
    "\"mask_ap\":null,\"mask_ap50\":null,\"mask_ap75\":null,\"loss\":1.75}\n"
    "{\"v\":1,\"kind\":\"eval\",\"step\":1000,\"box_ap\":0.125,\"box_ap50\":0.5,\"box_ap75\":0.5,"
    "\"mask_ap\":0.3125,\"mask_ap50\":0.5,\"mask_ap75\":0.125,\"loss\":1.625}\n"
    "{\"v\":1,\"kind\":\"train\",\"step\":1200,\"loss\":1.4321,\"rpn_class\":0.0811,"
    "\"rpn_box\":0.0640,\"class\":0.4120,\"box\":0.3670,\"mask\":0.5080,\"gradient_norm\":4.21,"
    "\"learning_rate\":2e-05}\n"
    "{\"v\":1,\"kind\":\"train\",\"step\":1220,\"loss\":"; // still being written

// Twenty lines of a step in half a second behind older and slower ones, with a pause among them.
static void write_timing(const char *folder) {
    char text[8192] = "";
    size_t used = 0;
    for (int i = 1; i <= 40; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "{\"v\":1,\"kind\":\"timing\",\"step\":%d,\"seconds\":%g,"
                                 "\"data_seconds\":0.0625,\"images_per_second\":32,"
                                 "\"memory_bytes\":%d}\n",
                                 30 * i,
                                 i <= 20   ? 7.0
                                 : i == 35 ? 100.0
                                           : 0.5,
                                 i == 40 ? 1610612736 : 5);
    write_file(folder, "timing.jsonl", text);
}

static void write_checkpoints(const char *folder) {
    char name[256];
    snprintf(name, sizeof name, "%s/checkpoints", folder);
    make_folder(name);
    write_file(name, "latest", "step-0001000\n");
    write_file(name, "best", "step-0000500\n");
    static const char *const steps[] = {"step-0000500", "step-0001000"};
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s/checkpoints/%s", folder, steps[i]);
        make_folder(name);
        write_file(name, "model.safetensors", "0123456789");
        write_file(name, "state.json", "{}");
    }
}

static void fill(const char *folder) {
    write_file(folder, "metrics.jsonl", METRICS);
    write_timing(folder);
    write_checkpoints(folder);
}

// Holds the lock of a run as its training does. Returns what to close.
static int hold_lock(const char *folder) {
    char path[512];
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s/%s/.lock", scratch_folder(), folder);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(lock >= 0 && fcntl(lock, F_OFD_SETLK, &all) == 0);
    return lock;
}

static int show(const char *run, const char *options) {
    char line[256];
    snprintf(line, sizeof line, "gctmask status $SCRATCH/%s %s", run, options);
    int code = run_program(line);
    EXPECT_TEXT(code == 0 ? program_errors : "", "");
    return code;
}

// ---- States ----

static const char *const RUNNING =
    "\"state\": \"running\", \"message\": null, \"resumed\": null, \"ended\": null, "
    "\"step\": 900, \"command\": [\"gctmask\", \"train\", \"--out\", \"my run\", \"it's\"]";

static void running(void) {
    make_run("running", RUNNING);
    fill("running");
    int lock = hold_lock("running");
    EXPECT_INT(show("running", ""), 0);
    close(lock);
    EXPECT_CONTAINS(program_output,
                    "state          running: process 4711 on node7, since 2026-03-01 09:00:00 UTC\n"
                    "step           1,200 of 3,000 (40.0 %), 15:00 left\nlast line      ");
    EXPECT_CONTAINS(program_output, " s ago\n"
                                    "speed          0.5 s for a step, of these 0.062 s waiting for "
                                    "images; 32 images/s; 1.50 GiB of memory\n"
                                    "loss           1.4321: class 0.4120, box 0.3670, mask 0.5080, "
                                    "proposals 0.0811 (object or not) and 0.0640 (box)\n"
                                    "gradient norm  4.21\n"
                                    "learning rate  2e-05\n"
                                    "validation     loss 1.6250\n"
                                    "box AP         12.50 at step 1,000, best 25.00 at step 500\n"
                                    "mask AP        31.25 at step 1,000, the best so far\n"
                                    "checkpoints    2, 24 B; newest of step 1,000; best of step "
                                    "500\n");
    EXPECT(!strstr(program_output, "resume"));
}

static void died(void) {
    make_run("died", RUNNING);
    fill("died");
    EXPECT_INT(show("died", ""), 0);
    EXPECT_CONTAINS(program_output, "state          died at step 1,200 without a word: process "
                                    "4711 on node7, since 2026-03-01 09:00:00 UTC\n"
                                    "step           1,200 of 3,000 (40.0 %)\nspeed ");
    EXPECT_CONTAINS(program_output, "resume         from step 1,000 with: gctmask train --out "
                                    "'my run' 'it'\\''s' --resume\n");
    // A file that lies there without its lock says nothing.
    write_file("died", ".lock", "process 4711 on node7\n");
    EXPECT_INT(show("died", ""), 0);
    EXPECT_CONTAINS(program_output, "state          died at step 1,200");
}

static void ended(void) {
    make_run("finished", "\"state\": \"finished\", \"message\": null, \"ended\": "
                         "\"2026-03-02T10:11:12Z\", \"step\": 3000, \"command\": [\"gctmask\"]");
    fill("finished");
    EXPECT_INT(show("finished", ""), 0);
    EXPECT_CONTAINS(program_output, "state          finished, 2026-03-02 10:11:12 UTC\n"
                                    "step           3,000 of 3,000 (100.0 %)\nspeed ");
    EXPECT(!strstr(program_output, "resume"));
    make_run("failed", "\"state\": \"failed\", \"message\": \"the disk is\\u001b[31m full\", "
                       "\"ended\": \"2026-03-02T10:11:12Z\", \"step\": 1201, "
                       "\"command\": [\"gctmask\", \"train\", \"--resume=900\"]");
    fill("failed");
    EXPECT_INT(show("failed", ""), 0);
    EXPECT_CONTAINS(program_output, "state          failed at step 1,201, 2026-03-02 10:11:12 UTC\n"
                                    "message        the disk is\\x1b[31m full\n");
    EXPECT_CONTAINS(program_output, "with: gctmask train --resume=900\n");
    make_run("interrupted", "\"state\": \"interrupted\", \"message\": null, \"ended\": "
                            "\"2026-03-02T10:11:12Z\", \"step\": 7, \"command\": [\"gctmask\"]");
    EXPECT_INT(show("interrupted", ""), 0);
    EXPECT_TEXT(program_output, "state          interrupted at step 7, 2026-03-02 10:11:12 UTC\n"
                                "step           7 of 3,000 (0.2 %)\n"
                                "checkpoints    0\n"
                                "resume         there is no checkpoint yet\n");
}

// A run that has recorded nothing yet.
static void begun(void) {
    make_run("begun", RUNNING);
    int lock = hold_lock("begun");
    EXPECT_INT(show("begun", ""), 0);
    EXPECT_TEXT(program_output,
                "state          running: process 4711 on node7, since 2026-03-01 09:00:00 UTC\n"
                "step           900 of 3,000 (30.0 %)\n"
                "checkpoints    0\n");
    EXPECT_INT(show("begun", "--json"), 0);
    close(lock);
    EXPECT_CONTAINS(program_output, "\n  \"state\": \"running\",\n  \"message\": null,\n");
    EXPECT_CONTAINS(program_output, "\n  \"step\": 900,\n  \"steps\": 3000,\n"
                                    "  \"seconds_left\": null,\n  \"seconds_since_line\": null,\n"
                                    "  \"seconds\": null,\n  \"data_seconds\": null,\n"
                                    "  \"images_per_second\": null,\n  \"memory_bytes\": null,\n"
                                    "  \"train\": null,\n  \"box_ap\": null,\n"
                                    "  \"mask_ap\": null,\n  \"validation_loss\": null,\n"
                                    "  \"checkpoints\": {\n    \"count\": 0,\n    \"bytes\": 0,\n"
                                    "    \"latest\": null,\n    \"best\": null\n  }\n}\n");
}

static void json(void) {
    make_run("json", RUNNING);
    fill("json");
    int lock = hold_lock("json");
    EXPECT_INT(show("json", "--json"), 0);
    EXPECT_CONTAINS(program_output, "{\n  \"v\": 1,\n  \"run\": \"");
    EXPECT_CONTAINS(program_output, "/json\",\n  \"state\": \"running\",\n  \"message\": null,\n"
                                    "  \"pid\": 4711,\n  \"host\": \"node7\",\n  \"command\": [\n"
                                    "    \"gctmask\",\n");
    EXPECT_CONTAINS(program_output, "\n  \"started\": \"2026-03-01T09:00:00Z\",\n  \"resumed\": "
                                    "null,\n  \"ended\": null,\n  \"step\": 1200,\n  \"steps\": "
                                    "3000,\n  \"seconds_left\": 900,\n");
    EXPECT_CONTAINS(program_output, "\n  \"seconds\": 0.5,\n  \"data_seconds\": 0.0625,\n  "
                                    "\"images_per_second\": 32,\n  \"memory_bytes\": 1610612736,\n"
                                    "  \"train\": {\n    \"step\": 1200,\n    \"loss\": 1.4321,\n");
    EXPECT_CONTAINS(program_output, "\n  \"box_ap\": {\n    \"last\": 0.125,\n    \"last_step\": "
                                    "1000,\n    \"best\": 0.25,\n    \"best_step\": 500\n  },\n");
    EXPECT_CONTAINS(program_output, "\n  \"validation_loss\": 1.625,\n  \"checkpoints\": {\n    "
                                    "\"count\": 2,\n    \"bytes\": 24,\n    \"latest\": 1000,\n"
                                    "    \"best\": 500\n  }\n}\n");
    close(lock);
    EXPECT_INT(show("json", "--json"), 0);
    EXPECT_CONTAINS(program_output, "\n  \"state\": \"killed\",\n");
    EXPECT_CONTAINS(program_output, "\n  \"seconds_left\": null,\n");
}

static void failures(void) {
    EXPECT_INT(show("nowhere", ""), 66);
    EXPECT_CONTAINS(program_errors, "nowhere/run.json: ");
    make_run("wrong_record", "\"state\": \"asleep\"");
    EXPECT_INT(show("wrong_record", ""), 65);
    EXPECT_CONTAINS(program_errors, "wrong_record/run.json: line 2, column ");
    make_run("wrong_metrics", RUNNING);
    write_file("wrong_metrics", "metrics.jsonl", "nothing\n");
    EXPECT_INT(show("wrong_metrics", ""), 65);
    EXPECT_CONTAINS(program_errors, "wrong_metrics/metrics.jsonl: line 1, column 1: ");
    make_run("wrong_timing", RUNNING);
    write_file("wrong_timing", "timing.jsonl", "{\"v\":2}\n");
    EXPECT(show("wrong_timing", "") != 0);
    EXPECT_CONTAINS(program_errors, "wrong_timing/timing.jsonl: a line of version 2");
    EXPECT_INT(run_program("gctmask status"), 64);
    EXPECT_CONTAINS(program_errors, "RUN is missing");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"running", running},
                                          {"died", died},
                                          {"ended", ended},
                                          {"begun", begun},
                                          {"json", json},
                                          {"failures", failures},
                                          {0}});
}
