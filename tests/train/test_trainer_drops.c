// Steps whose numbers are not finite: left out without a trace, counted, told, and an end when
// there are too many in a row; and that going on after any interruption is no different.
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file_view.h"
#include "tests/harness.h"
#include "tests/train/check_trainer.h"
#include "train/trainer.h"

enum { STEPS = 8 };

// Instead of the system's: many checkpoints would wait for the disk.
int fsync(int descriptor) {
    (void)descriptor;
    return 0;
}

// What is not finite in which step, counted from 1.
static const struct poison {
    int64_t step;
    const char *parameter;
    bool in_gradient; // gradients accumulate: one that is damaged beforehand stays so
    float value;
} POISONS[] = {
    {3, "rpn.head.bbox_pred.bias", false, INFINITY},
    {4, "roi_heads.box_predictor.cls_score.bias", false, NAN},
    {6, "rpn.head.cls_logits.weight", true, NAN},
};
enum { NUM_POISONS = sizeof POISONS / sizeof *POISONS };

static struct tiny_training tiny;
static struct error err;
static bool poisons;    // whether any step is poisoned
static float healthy;   // the value in whose place poison is
static char said[4096]; // warnings, a line each
static int64_t num_asked, interrupt_at;

static struct parameters *parameters(void) {
    return &tiny.detector.model.network.parameters;
}

static const struct poison *poison_of(int64_t step) {
    for (int i = 0; poisons && i < NUM_POISONS; i++)
        if (POISONS[i].step == step) return &POISONS[i];
    return NULL;
}

// Before a step, and behind it.
static void poison(int64_t step) {
    const struct poison *what = poison_of(step);
    if (!what) return;
    const struct parameter *p = parameters_find(parameters(), what->parameter);
    REQUIRE(p && p->grad);
    healthy = p->data[0];
    if (what->in_gradient)
        p->grad[0] = what->value;
    else
        p->data[0] = what->value;
    parameters_changed(parameters());
}

static void heal(int64_t step) {
    const struct poison *what = poison_of(step);
    if (!what || what->in_gradient) return;
    parameters_find(parameters(), what->parameter)->data[0] = healthy;
    parameters_changed(parameters());
}

// ---- Runs ----

static void report(void *context, const struct trainer_report *what) {
    const struct trainer *trainer = context;
    size_t used = strlen(said);
    if (what->step > 0) heal(what->step);
    if (what->saved) poison(trainer->state.step + 1);
    if (what->warning) snprintf(said + used, sizeof said - used, "%s\n", what->warning);
}

static bool is_interrupted(void *context) {
    (void)context;
    return ++num_asked == interrupt_at;
}

static enum status train(struct run_folder *run, bool resume, int64_t max_drops,
                         enum trainer_end *ended) {
    struct trainer trainer;
    const struct trainer_hooks hooks = {&trainer, report, is_interrupted, NULL};
    const struct trainer_options options = {
        .detector = &tiny.detector,
        .communicator = tiny.communicator,
        .run = run,
        .folder = run->path,
        .dataset = &tiny.dataset,
        .image_folder = tiny_image_folder(),
        .num_loader_threads = 1,
        .log_every = 1,
        .save_every = 1,
        .keep = {.keep = 100},
        .max_drops = max_drops,
    };
    int64_t step = -1;
    struct error skipped;
    enum status status = trainer_open(&trainer, &options, &hooks, &err);
    if (status == STATUS_OK && resume)
        status = checkpoint_find_latest(trainer.checkpoints, &step, &skipped, &err);
    if (status == STATUS_OK && step >= 0) status = trainer_load(&trainer, step, &err);
    poison(trainer.state.step + 1);
    if (status == STATUS_OK) status = trainer_run(&trainer, ended, &err);
    trainer_close(&trainer);
    return status;
}

static enum status run(const char *name, bool resume, int64_t max_drops, enum trainer_end *ended) {
    struct run_folder folder;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    const struct run_start start = {.path = path, .resume = resume, .version = "1", .steps = STEPS};
    parameters_initialise(parameters(), resume ? 99 : 1);
    parameters_changed(parameters());
    parameters_clear_gradients(parameters());
    said[0] = '\0';
    num_asked = 0;
    enum status status = run_folder_open(&folder, &start, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    status = train(&folder, resume, max_drops, ended);
    EXPECT_OK(run_folder_end(&folder, RUN_FINISHED, NULL, NULL), NULL);
    return status;
}

static void expect_run(const char *name, bool resume, int64_t max_drops,
                       enum trainer_end expected) {
    enum trainer_end ended = TRAINER_STOPPED;
    EXPECT_OK(run(name, resume, max_drops, &ended), &err);
    EXPECT_INT(ended, expected);
}

static bool same(const char *file, const char *other) {
    struct file_view views[2] = {0};
    const char *const names[] = {file, other};
    bool same = true;
    for (int i = 0; i < 2; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", scratch_folder(), names[i]);
        same &= file_view_open(&views[i], path, 0, &err) == STATUS_OK;
    }
    same = same && views[0].size == views[1].size &&
           memcmp(views[0].data, views[1].data, (size_t)views[0].size) == 0;
    for (int i = 0; i < 2; i++)
        file_view_close(&views[i]);
    return same;
}

static bool same_weights(const char *run_name, int step, int other) {
    static const char *const FILES[] = {"model.safetensors", "momentum.safetensors"};
    bool all = true;
    for (int i = 0; i < 2; i++) {
        char names[2][128];
        snprintf(names[0], sizeof names[0], "%s/checkpoints/step-%07d/%s", run_name, step,
                 FILES[i]);
        snprintf(names[1], sizeof names[1], "%s/checkpoints/step-%07d/%s", run_name, other,
                 FILES[i]);
        all &= same(names[0], names[1]);
    }
    return all;
}

static void begin(void) {
    tiny_training_create(&tiny, tiny_annotations("train"),
                         (const char *const[]){"schedule.iterations=8", NULL});
    poisons = true;
    interrupt_at = 0;
}

static void begin_with_whole(void) {
    static bool made;
    begin();
    if (!made) expect_run("whole", false, 2, TRAINER_FINISHED);
    made = true;
}

// ---- Cases ----

static void left_out(void) {
    begin();
    expect_run("left-out", false, 2, TRAINER_FINISHED);
    static const char *const PARTS[] = {
        "step 3: the anchor box loss is not finite (",
        "), in train_0000",
        ".jpg; the step is left out (1 in a row, 1 in all)\nstep 4: the class loss is not finite (",
        "; the step is left out (2 in a row, 2 in all)\n",
        "step 6: the gradient of rpn.head.cls_logits.weight is not finite, at a learning rate of ",
        "; the step is left out (1 in a row, 3 in all)\n",
    };
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        EXPECT_CONTAINS(said, PARTS[i]);
    // They leave weights and momentum alone, and the others do not.
    EXPECT(same_weights("left-out", 2, 3));
    EXPECT(same_weights("left-out", 2, 4));
    EXPECT(same_weights("left-out", 5, 6));
    EXPECT(!same_weights("left-out", 4, 5));
    EXPECT(!same_weights("left-out", 6, 7));
    // Their losses do not exist.
    struct metrics metrics;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/left-out/metrics.jsonl", scratch_folder());
    REQUIRE(metrics_read(&metrics, path, &err) == STATUS_OK);
    EXPECT_INT(metrics.num_train, STEPS);
    for (int64_t i = 0; i < metrics.num_train; i++)
        EXPECT(isnan(metrics.train[i].loss) == (poison_of(i + 1) != NULL));
    metrics_free(&metrics);
    tiny_training_destroy(&tiny);
}

// Where nothing has to be left out, it makes no difference that it might be.
static void nothing_to_leave_out(void) {
    begin();
    poisons = false;
    expect_run("may", false, 2, TRAINER_FINISHED);
    expect_run("may-not", false, 0, TRAINER_FINISHED);
    EXPECT_TEXT(said, "");
    EXPECT(same("may/checkpoints/step-0000008/model.safetensors",
                "may-not/checkpoints/step-0000008/model.safetensors"));
    EXPECT(same("may/metrics.jsonl", "may-not/metrics.jsonl"));
    tiny_training_destroy(&tiny);
}

static void too_many(void) {
    enum trainer_end ended;
    begin();
    EXPECT_STATUS(run("too-many", false, 1, &ended), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "step 4: the class loss is not finite (");
    EXPECT_CONTAINS(err.message, "; 1 in a row were left out before it");
    EXPECT(same_weights("too-many", 2, 3));
    EXPECT(!same_weights("too-many", 3, 4)); // the fourth was not saved
    EXPECT_STATUS(run("stops", false, 0, &ended), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "step 3: the anchor box loss is not finite (");
    EXPECT(strstr(err.message, "left out") == NULL);
    tiny_training_destroy(&tiny);
}

// Also between two steps that are left out: how many there were is part of what is saved.
static void interrupted_anywhere(void) {
    static const char *const FILES[] = {
        "metrics.jsonl", "metrics.csv", "checkpoints/step-0000008/model.safetensors",
        "checkpoints/step-0000008/momentum.safetensors", "checkpoints/step-0000008/state.json"};
    begin_with_whole();
    for (int64_t at = 1; at < STEPS; at++) {
        char folder[48];
        snprintf(folder, sizeof folder, "interrupted-%lld", (long long)at);
        interrupt_at = at;
        expect_run(folder, false, 2, TRAINER_INTERRUPTED);
        interrupt_at = 0;
        expect_run(folder, true, 2, TRAINER_FINISHED);
        for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
            char names[2][128];
            snprintf(names[0], sizeof names[0], "%s/%s", folder, FILES[i]);
            snprintf(names[1], sizeof names[1], "whole/%s", FILES[i]);
            EXPECT(same(names[0], names[1]));
        }
    }
    // The limit holds across an interruption.
    enum trainer_end ended;
    interrupt_at = 3;
    expect_run("limit", false, 1, TRAINER_INTERRUPTED);
    interrupt_at = 0;
    EXPECT_STATUS(run("limit", true, 1, &ended), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "step 4: ");
    tiny_training_destroy(&tiny);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"left_out", left_out},
                         {"nothing_to_leave_out", nothing_to_leave_out},
                         {"too_many", too_many},
                         {"interrupted_anywhere", interrupted_anywhere},
                         {0},
                     });
}
