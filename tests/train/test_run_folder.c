// The folder of a run: who may write there, and what run.json says of those who did.
#include "train/run_folder.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config.h"
#include "base/output.h"
#include "detector/config.h"
#include "tests/harness.h"

static const char *const WORDS[] = {"gctmask", "train", "--out", "a \"b\"\n"};
static const struct option_texts COMMAND = {WORDS, 4};

static const char *scratch_path(const char *name) {
    static char paths[4][PATH_BYTES];
    static int next;
    char *path = paths[next++ % 4];
    struct error err;
    REQUIRE(path_join(path, scratch_folder(), name, &err) == STATUS_OK);
    return path;
}

static struct run_start start_of(const char *path, bool resume) {
    return (struct run_start){path, resume, "1.2.3", COMMAND, 90000};
}

static void open_run(struct run_folder *run, const char *path, bool resume) {
    struct run_start start = start_of(path, resume);
    struct error err;
    enum status status = run_folder_open(run, &start, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

static void expect_refused(const char *path, bool resume, const char *message) {
    struct run_folder run;
    struct run_start start = start_of(path, resume);
    struct error err = {0};
    EXPECT_STATUS(run_folder_open(&run, &start, &err), STATUS_USAGE, &err);
    EXPECT_CONTAINS(err.message, message);
}

static void read_record(struct run_record *record, const char *path, struct arena *arena) {
    struct error err;
    arena_init(arena, 1 << 12, 0);
    enum status status = run_folder_read(record, path, arena, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

static void expect_state(const char *path, enum run_state state, int64_t step) {
    struct run_record record;
    struct arena arena;
    read_record(&record, path, &arena);
    EXPECT_TEXT(run_state_name(record.state), run_state_name(state));
    EXPECT_INT(record.step, step);
    arena_destroy(&arena);
}

static bool is_time(const char *text) {
    const char *const form = "2000-00-00T00:00:00Z";
    if (!text || strlen(text) != strlen(form)) return false;
    for (int i = 0; form[i]; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : text[i] != form[i]) return false;
    }
    return true;
}

static void life(void) {
    const char *path = scratch_path("deep/er/run");
    struct run_folder run;
    struct run_record record;
    struct arena arena;
    struct error err;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    open_run(&run, path, false);
    expect_state(path, RUN_RUNNING, 0);
    EXPECT_OK(run_folder_progress(&run, 1200, &err), &err);
    expect_state(path, RUN_RUNNING, 1200);
    EXPECT_OK(run_folder_end(&run, RUN_FAILED, "the loss is \"nan\"", &err), &err);
    read_record(&record, path, &arena);
    EXPECT_INT(record.state, RUN_FAILED);
    EXPECT_TEXT(record.message, "the loss is \"nan\"");
    EXPECT_INT(record.pid, getpid());
    EXPECT_TEXT(record.host, host);
    EXPECT_TEXT(record.version, "1.2.3");
    EXPECT_INT(record.step, 1200);
    EXPECT_INT(record.steps, 90000);
    REQUIRE(record.command.count == COMMAND.count);
    for (int i = 0; i < COMMAND.count; i++)
        EXPECT_TEXT(record.command.items[i], WORDS[i]);
    EXPECT(is_time(record.started) && is_time(record.ended) && !record.resumed);
    arena_destroy(&arena);
}

static void refusals(void) {
    const char *path = scratch_path("refusals");
    char message[256];
    struct run_folder run;
    struct error err;
    expect_refused(path, true, "refusals: there is no run to resume");
    EXPECT(access(path, F_OK) != 0); // asking made nothing
    open_run(&run, path, false);
    snprintf(message, sizeof message,
             "refusals: another training writes in this folder (process %d on ", (int)getpid());
    expect_refused(path, false, message);
    expect_refused(path, true, message);
    expect_state(path, RUN_RUNNING, 0); // the refused have not touched it
    EXPECT_OK(run_folder_end(&run, RUN_FINISHED, NULL, &err), &err);
    expect_refused(path, false,
                   "refusals: this folder holds a run: resume it, or give another folder");
    expect_state(path, RUN_FINISHED, 0);
    struct run_start nowhere = start_of("/proc/run", false);
    EXPECT_STATUS(run_folder_open(&run, &nowhere, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "/proc/run: cannot make the folder");
}

static void resuming(void) {
    const char *path = scratch_path("resuming");
    struct run_folder run;
    struct run_record record;
    struct arena arena;
    struct error err;
    char started[RUN_TIME_BYTES];
    open_run(&run, path, false);
    EXPECT_OK(run_folder_progress(&run, 70, &err), &err);
    EXPECT_OK(run_folder_end(&run, RUN_INTERRUPTED, "SIGTERM", &err), &err);
    expect_state(path, RUN_INTERRUPTED, 70);
    // A start that cannot be confused with the time of resuming.
    snprintf(started, sizeof started, "2001-02-03T04:05:06Z");
    read_record(&record, path, &arena);
    record.started = started;
    EXPECT_OK(run_record_save(&record, scratch_path("resuming/run.json"), &err), &err);
    arena_destroy(&arena);
    open_run(&run, path, true);
    EXPECT_INT(run.record.step, 70);
    read_record(&record, path, &arena);
    EXPECT_INT(record.state, RUN_RUNNING);
    EXPECT_TEXT(record.started, started);
    EXPECT(is_time(record.resumed) && strcmp(record.resumed, started) > 0);
    EXPECT(!record.ended && !record.message);
    arena_destroy(&arena);
    EXPECT_OK(run_folder_end(&run, RUN_FINISHED, NULL, &err), &err);
}

// The lock ends with whoever held it.
static void killed(void) {
    const char *path = scratch_path("killed");
    struct run_folder run;
    struct error err;
    int ready[2];
    char byte = 0;
    REQUIRE(pipe(ready) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct run_start start = start_of(path, false);
        if (run_folder_open(&run, &start, &err) != STATUS_OK) _exit(1);
        if (run_folder_progress(&run, 5, &err) != STATUS_OK) _exit(1);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;)
            pause();
    }
    REQUIRE(read(ready[0], &byte, 1) == 1);
    char message[64];
    snprintf(message, sizeof message, "(process %d on ", (int)child);
    expect_refused(path, true, message);
    expect_state(path, RUN_RUNNING, 5);
    EXPECT_INT(kill(child, SIGKILL), 0);
    EXPECT_INT(waitpid(child, NULL, 0), child);
    expect_state(path, RUN_KILLED, 5);
    expect_refused(path, false, "resume it");
    open_run(&run, path, true);
    expect_state(path, RUN_RUNNING, 5);
    EXPECT_OK(run_folder_end(&run, RUN_FINISHED, NULL, &err), &err);
    close(ready[0]);
    close(ready[1]);
}

// What is saved is a configuration that says the same.
static void config(void) {
    const char *const overrides[] = {"classes.names=a,b", "schedule.batch=6", "box.score=0.1"};
    struct model_config saved;
    struct model_config loaded;
    struct options options;
    struct run_folder run;
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 14, 0);
    EXPECT_OK(options_init(&options, MODEL_OPTIONS, &saved, &arena, &err), &err);
    for (int i = 0; i < 3; i++)
        EXPECT_OK(config_override(&options, overrides[i], &err), &err);
    open_run(&run, scratch_path("config"), false);
    EXPECT_OK(run_folder_save_config(&run, &options, &err), &err);
    EXPECT_OK(run_folder_end(&run, RUN_FINISHED, NULL, &err), &err);
    EXPECT_OK(options_init(&options, MODEL_OPTIONS, &loaded, &arena, &err), &err);
    EXPECT_OK(config_load(&options, scratch_path("config/config.json"), &err), &err);
    EXPECT_INT(loaded.schedule.batch, 6);
    EXPECT_NEAR(loaded.box.score, 0.1, 0);
    REQUIRE(loaded.classes.names.count == 2);
    EXPECT_TEXT(loaded.classes.names.items[1], "b");
    arena_destroy(&arena);
}

static void damaged_records(void) {
    static const char *const texts[][2] = {
        {"", "line 1, column 1"},
        {"{\"v\":1,", "line 1, "},
        {"{\"v\":1,\"step\":3}", "this run has no state"},
        {"{\"v\":2,\"state\":\"failed\"}", "version 2, expected 1"},
        {"{\"v\":1,\"state\":\"killed\"}", "expected running, finished, interrupted or failed"},
        {"{\"v\":1,\"state\":\"failed\",\"command\":[1]}", "expected a string"},
    };
    struct run_record record;
    struct arena arena;
    struct error err = {0};
    struct run_folder run;
    open_run(&run, scratch_path("damaged"), false);
    EXPECT_OK(run_folder_end(&run, RUN_FINISHED, NULL, &err), &err);
    arena_init(&arena, 1 << 12, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        EXPECT_OK(output_save(scratch_path("damaged/run.json"), texts[i][0],
                              (int64_t)strlen(texts[i][0]), &err),
                  &err);
        EXPECT_STATUS(run_folder_read(&record, scratch_path("damaged"), &arena, &err), STATUS_DATA,
                      &err);
        EXPECT_CONTAINS(err.message, "damaged/run.json: ");
        EXPECT_CONTAINS(err.message, texts[i][1]);
    }
    EXPECT_STATUS(run_folder_read(&record, scratch_path("nothing"), &arena, &err), STATUS_NO_INPUT,
                  &err);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"life", life},
                                          {"refusals", refusals},
                                          {"resuming", resuming},
                                          {"killed", killed},
                                          {"config", config},
                                          {"damaged_records", damaged_records},
                                          {0}});
}
