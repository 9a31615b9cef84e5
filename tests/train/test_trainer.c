// The training loop: whatever stops it and whenever, going on gives the same bytes as if it had not
// stopped; what it makes of scores; and what it survives.
#include "train/trainer.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file_view.h"
#include "tests/harness.h"
#include "tests/train/check_trainer.h"

enum { STEPS = 8, EVERY = 3, MAX_EVENTS = 64 };

// Instead of the system's: hundreds of checkpoints would wait for the disk.
int fsync(int descriptor) {
    (void)descriptor;
    return 0;
}

static struct tiny_training tiny;
static struct coco_set val_set;
static struct dataset val;
static struct error err;

// What happens in a run, and what it does about that.
static struct script {
    const char *folder;
    bool resume;
    int64_t seed;
    const double *scores; // of evaluation i, the last again; NULL: they follow from the weights
    int64_t num_scores;
    int64_t patience;
    double max_seconds;
    int64_t interrupt_at; // the call of is_interrupted, from 1, that says so; 0: none
    int64_t cancel_at;    // the evaluation, from 1, that is cancelled; 0: none
    int64_t fill_disk_at; // the step from whose end on nothing can be written; 0: never
    int64_t free_disk_at; // the step from whose end on it can again
    int64_t break_at;     // the step at whose end a weight becomes a NaN; 0: none
    bool computes_loss;   // evaluations set expected_val_loss
    struct trainer *trainer;
    // Counted:
    int64_t num_asked, num_evals, num_lines, num_saved, num_warnings;
    int64_t best_steps[MAX_EVENTS], num_best;
    char warnings[4096];
    double val_loss, expected_val_loss;
} script;

static const char *path_of(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s/%s", scratch_folder(), script.folder, name);
    return path;
}

// ---- Hooks ----

// Nothing can be written to files from here on. A file that grows too large is a signal, too.
static void limit_files(rlim_t bytes) {
    struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void at_end_of_step(int64_t step) {
    if (step == script.fill_disk_at) limit_files(0);
    if (step == script.free_disk_at) limit_files(RLIM_INFINITY);
    if (step == script.break_at) tiny.detector.model.network.parameters.data[0] = NAN;
}

static void report(void *context, const struct trainer_report *what) {
    (void)context;
    if (what->step > 0) at_end_of_step(what->step);
    if (what->train) script.num_lines++;
    if (what->saved) script.num_saved++;
    if (what->eval) script.val_loss = what->eval->loss;
    if (what->eval && what->is_best) script.best_steps[script.num_best++] = what->eval->step;
    if (!what->warning) return;
    size_t used = strlen(script.warnings);
    script.num_warnings++;
    snprintf(script.warnings + used, sizeof script.warnings - used, "%s\n", what->warning);
}

static bool is_interrupted(void *context) {
    (void)context;
    script.num_asked++;
    return script.interrupt_at > 0 && script.num_asked >= script.interrupt_at;
}

// The mean of the groups' losses, with this file's own loop.
static double val_loss(void) {
    const struct model_config *config = &tiny.detector.model.config;
    const struct loader_options options = {
        .dataset = &val,
        .model = &tiny.detector.model.network,
        .image_folder = tiny_image_folder(),
        .stride = 1,
        .num_groups = 1,
    };
    struct loader *loader = NULL;
    double sum = 0;
    REQUIRE(loader_create(&loader, &options, &err) == STATUS_OK);
    int64_t count = (val.num_images + config->schedule.group - 1) / config->schedule.group;
    EXPECT_INT(loader_groups_per_epoch(loader), count);
    for (int64_t k = 0; k < count; k++) {
        const struct group *group = NULL;
        struct losses losses;
        struct loss_settings settings = loss_settings_of(config);
        settings.seed = (uint64_t)script.seed;
        settings.step = (uint64_t)k;
        EXPECT_OK(loader_next(loader, &group, &err), &err);
        EXPECT_INT(group->num_images, k < count - 1 ? config->schedule.group : 1);
        nn_begin(tiny.detector.nn, NN_TRAINING);
        struct tensor *input = nn_tensor(tiny.detector.nn, group->num_images, group->padded.height,
                                         group->padded.width, 3);
        memcpy(input->data, group->planes, (size_t)tensor_count(input) * sizeof *input->data);
        mask_rcnn_losses(tiny.detector.nn, &tiny.detector.model.network, input, group->extents,
                         group->truths, &settings, &losses);
        loader_release(loader, group);
        sum += losses_total(&losses);
    }
    loader_destroy(loader);
    return sum / (double)count;
}

// A number from 0 to 1 that changes with each weight.
static double score_of_weights(void) {
    const struct parameters *parameters = &tiny.detector.model.network.parameters;
    double sum = 0;
    for (int64_t i = 0; i < parameters->num_floats; i++)
        sum += (double)parameters->data[i] * (double)(i % 97);
    return fabs(sin(sum));
}

static enum status evaluate(void *context, struct metrics_eval *scores, struct error *error) {
    (void)context;
    int64_t number = script.num_evals++;
    if (number + 1 == script.cancel_at) return error_set(error, STATUS_CANCELLED, "enough");
    double score = score_of_weights();
    if (script.scores)
        score = script.scores[number < script.num_scores ? number : script.num_scores - 1];
    // Below zero stands for masks without a score: then boxes are what counts.
    scores->box_ap = score < 0 ? -score : 1 - score;
    scores->mask_ap = score < 0 ? (double)NAN : score;
    scores->box_ap50 = scores->box_ap75 = scores->mask_ap50 = scores->mask_ap75 = (double)NAN;
    if (script.computes_loss) script.expected_val_loss = val_loss();
    return STATUS_OK;
}

// ---- Runs ----

static void begin(void) {
    const struct coco_load_options options = {0};
    tiny_training_create(&tiny, tiny_annotations("train"),
                         (const char *const[]){"schedule.iterations=8", NULL});
    EXPECT_OK(coco_load_annotations(&val_set, tiny_annotations("val"), &options, &err), &err);
    EXPECT_OK(dataset_make(&val, &val_set, &tiny.detector.model.config, &tiny.arena, &err), &err);
    EXPECT_INT(val.num_images, 3);
}

static void end(void) {
    tiny_training_destroy(&tiny);
    coco_destroy(&val_set);
}

static enum status train(struct run_folder *run, enum trainer_end *ended) {
    const struct trainer_options options = {
        .detector = &tiny.detector,
        .communicator = tiny.communicator,
        .run = run,
        .folder = run->path,
        .dataset = &tiny.dataset,
        .image_folder = tiny_image_folder(),
        .val = &val,
        .val_image_folder = tiny_image_folder(),
        .seed = (uint64_t)script.seed,
        .num_loader_threads = 1,
        .log_every = EVERY,
        .save_every = 2,
        .eval_every = EVERY,
        .keep = {.keep = 100},
        .patience = script.patience,
        .max_seconds = script.max_seconds,
    };
    const struct trainer_hooks hooks = {NULL, report, is_interrupted, evaluate};
    struct trainer trainer;
    int64_t step = -1;
    struct error skipped;
    enum status status = trainer_open(&trainer, &options, &hooks, &err);
    script.trainer = &trainer;
    if (status == STATUS_OK && script.resume)
        status = checkpoint_find_latest(trainer.checkpoints, &step, &skipped, &err);
    if (status == STATUS_OK && step >= 0) status = trainer_load(&trainer, step, &err);
    if (status == STATUS_OK) status = trainer_run(&trainer, ended, &err);
    trainer_close(&trainer);
    return status;
}

// Runs from fresh weights, which a checkpoint has to replace.
static enum status run(const struct script *what, enum trainer_end *ended) {
    struct parameters *parameters = &tiny.detector.model.network.parameters;
    struct run_folder folder;
    char path[PATH_BYTES];
    script = *what;
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), script.folder);
    const struct run_start start = {
        .path = path, .resume = script.resume, .version = "1", .steps = STEPS};
    parameters_initialise(parameters, script.resume ? 99 : 1);
    parameters_changed(parameters);
    parameters_clear_gradients(parameters);
    if (script.resume) parameters->data[0] = NAN;
    enum status status = run_folder_open(&folder, &start, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    status = train(&folder, ended);
    limit_files(RLIM_INFINITY);
    EXPECT_OK(run_folder_end(&folder, RUN_FINISHED, NULL, NULL), NULL);
    return status;
}

static void expect_run(const struct script *what, enum trainer_end expected) {
    enum trainer_end ended = TRAINER_FINISHED;
    enum status status = run(what, &ended);
    EXPECT_OK(status, &err);
    EXPECT_INT(ended, expected);
}

static bool same_file(const char *folder, const char *name) {
    struct file_view views[2] = {0};
    char path[PATH_BYTES];
    const char *folders[2] = {"whole", folder};
    bool same = true;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", scratch_folder(), folders[i], name);
        same &= file_view_open(&views[i], path, 0, &err) == STATUS_OK;
    }
    same = same && views[0].size == views[1].size &&
           memcmp(views[0].data, views[1].data, (size_t)views[0].size) == 0;
    for (int i = 0; i < 2; i++)
        file_view_close(&views[i]);
    return same;
}

// That a run's end has the bytes of the unbroken one's.
static void expect_same_end(const char *folder) {
    EXPECT(same_file(folder, "checkpoints/step-0000008/model.safetensors"));
    EXPECT(same_file(folder, "checkpoints/step-0000008/momentum.safetensors"));
    EXPECT(same_file(folder, "checkpoints/step-0000008/state.json"));
    EXPECT(same_file(folder, "checkpoints/latest"));
    EXPECT(same_file(folder, "checkpoints/best"));
    EXPECT(same_file(folder, "metrics.jsonl"));
    EXPECT(same_file(folder, "metrics.csv"));
}

static int64_t whole_num_asked;

// With the unbroken run beside it, which is made once.
static void begin_with_whole(void) {
    begin();
    if (whole_num_asked > 0) return;
    expect_run(&(struct script){.folder = "whole"}, TRAINER_FINISHED);
    whole_num_asked = script.num_asked;
    EXPECT_INT(script.num_lines, 3); // 3, 6, 8
    EXPECT_INT(script.num_evals, 3);
    EXPECT_INT(script.num_warnings, 0);
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "latest"), STEPS);
    // Asked after each step and before each group of the validation set.
    EXPECT_INT(whole_num_asked, STEPS + 3 * 2);
}

// ---- Stopping and going on ----

static void unbroken(void) {
    begin_with_whole();
    expect_run(&(struct script){.folder = "twice", .computes_loss = true}, TRAINER_FINISHED);
    expect_same_end("twice");
    EXPECT_NEAR(script.val_loss, script.expected_val_loss, 1e-12);
    EXPECT(script.val_loss > 0);
    // Another seed is another training.
    expect_run(&(struct script){.folder = "other", .seed = 2}, TRAINER_FINISHED);
    EXPECT(!same_file("other", "checkpoints/step-0000008/model.safetensors"));
    end();
}

static void interrupted_anywhere(void) {
    begin_with_whole();
    for (int64_t at = 1; at < whole_num_asked; at++) {
        char folder[48];
        snprintf(folder, sizeof folder, "interrupted-%lld", (long long)at);
        expect_run(&(struct script){.folder = folder, .interrupt_at = at}, TRAINER_INTERRUPTED);
        EXPECT(!same_file(folder, "metrics.jsonl"));
        expect_run(&(struct script){.folder = folder, .resume = true}, TRAINER_FINISHED);
        expect_same_end(folder);
    }
    // Whoever is asked to end when all is done has done all.
    expect_run(&(struct script){.folder = "late", .interrupt_at = whole_num_asked},
               TRAINER_FINISHED);
    expect_same_end("late");
    end();
}

static void evaluation_cancelled(void) {
    begin_with_whole();
    for (int64_t at = 1; at <= 3; at++) {
        char folder[32];
        snprintf(folder, sizeof folder, "cancelled-%lld", (long long)at);
        expect_run(&(struct script){.folder = folder, .cancel_at = at}, TRAINER_INTERRUPTED);
        EXPECT_INT(script.num_evals, at);
        // Again, and again: nothing is trained meanwhile.
        expect_run(&(struct script){.folder = folder, .resume = true, .cancel_at = 1},
                   TRAINER_INTERRUPTED);
        EXPECT_INT(script.num_lines, 0);
        expect_run(&(struct script){.folder = folder, .resume = true}, TRAINER_FINISHED);
        EXPECT_INT(script.num_evals, 4 - at);
        expect_same_end(folder);
    }
    end();
}

static void out_of_time(void) {
    begin_with_whole();
    expect_run(&(struct script){.folder = "slow", .max_seconds = 1e-9}, TRAINER_OUT_OF_TIME);
    for (int step = 2; step < STEPS; step++) {
        EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "latest"), step - 1);
        expect_run(&(struct script){.folder = "slow", .resume = true, .max_seconds = 1e-9},
                   TRAINER_OUT_OF_TIME);
    }
    expect_run(&(struct script){.folder = "slow", .resume = true, .max_seconds = 1e9},
               TRAINER_FINISHED);
    expect_same_end("slow");
    end();
}

// After an error the checkpoint before it is still there.
static void broken(void) {
    enum trainer_end ended;
    begin_with_whole();
    EXPECT_STATUS(run(&(struct script){.folder = "broken", .break_at = 5}, &ended), STATUS_DATA,
                  &err);
    EXPECT_CONTAINS(err.message, "step 6: ");
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "latest"), 4);
    expect_run(&(struct script){.folder = "broken", .resume = true}, TRAINER_FINISHED);
    expect_same_end("broken");
    end();
}

static void finished(void) {
    begin_with_whole();
    expect_run(&(struct script){.folder = "done"}, TRAINER_FINISHED);
    expect_run(&(struct script){.folder = "done", .resume = true}, TRAINER_FINISHED);
    EXPECT_INT(script.num_lines + script.num_evals + script.num_saved, 0);
    expect_same_end("done");
    end();
}

static void another_seed(void) {
    enum trainer_end ended;
    begin();
    expect_run(&(struct script){.folder = "seed", .seed = 7, .interrupt_at = 2},
               TRAINER_INTERRUPTED);
    EXPECT_STATUS(run(&(struct script){.folder = "seed", .seed = 8, .resume = true}, &ended),
                  STATUS_USAGE, &err);
    EXPECT_CONTAINS(err.message, "--seed is 8, but the run has 7");
    end();
}

// ---- Scores ----

#define SCORES(...)                                                                                \
    .scores = (const double[]){__VA_ARGS__},                                                       \
    .num_scores = sizeof((const double[]){__VA_ARGS__}) / sizeof(double)

static void best(void) {
    begin();
    expect_run(&(struct script){.folder = "best", SCORES(0.3, 0.3, 0.2)}, TRAINER_FINISHED);
    EXPECT_INT(script.num_best, 1); // an equal score is no better one
    EXPECT_INT(script.best_steps[0], 3);
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "best"), 3);
    EXPECT_INT(script.num_saved, 5); // 2, 3 as the best, 4, 6, 8
    expect_run(&(struct script){.folder = "rising", SCORES(0, 0.1, 0.2)}, TRAINER_FINISHED);
    EXPECT_INT(script.num_best, 3);
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "best"), STEPS);
    // Without masks, boxes count.
    expect_run(&(struct script){.folder = "boxes", SCORES(-0.1, -0.4, -0.3)}, TRAINER_FINISHED);
    EXPECT_INT(script.num_best, 2);
    EXPECT_INT(script.best_steps[1], 6);
    // No score at all is never the best.
    expect_run(&(struct script){.folder = "none", SCORES((double)NAN)}, TRAINER_FINISHED);
    EXPECT_INT(script.num_best, 0);
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "best"), -1);
    end();
}

static void patience(void) {
    begin();
    expect_run(&(struct script){.folder = "patient", .patience = 1, SCORES(0.3, 0.2, 0.9)},
               TRAINER_STOPPED);
    EXPECT_INT(script.num_evals, 2);
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "latest"), 6);
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "best"), 3);
    // It is over for good, unless patience grows.
    expect_run(&(struct script){.folder = "patient", .resume = true, .patience = 1},
               TRAINER_STOPPED);
    EXPECT_INT(script.num_lines + script.num_evals + script.num_saved, 0);
    expect_run(&(struct script){.folder = "patient", .resume = true, .patience = 3, SCORES(0.9)},
               TRAINER_FINISHED);
    EXPECT_INT(script.num_evals, 1);
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "best"), STEPS);
    // The last step is the end in any case.
    expect_run(&(struct script){.folder = "ends", .patience = 2, SCORES(0.3, 0.2, 0.1)},
               TRAINER_FINISHED);
    end();
}

// ---- A disk that is full ----

static void full_disk(void) {
    begin_with_whole();
    expect_run(&(struct script){.folder = "full", .fill_disk_at = 2, .free_disk_at = 7},
               TRAINER_FINISHED);
    // The checkpoints of 2, 4 and 6, lines and scores of 3 and 6, run.json, timings and graphs.
    EXPECT(script.num_warnings >= 10);
    EXPECT_CONTAINS(script.warnings, "model.safetensors");
    EXPECT_CONTAINS(script.warnings, "metrics.jsonl: cannot write");
    EXPECT_CONTAINS(script.warnings, "run.json");
    EXPECT_INT(script.num_saved, 1);
    EXPECT(same_file("full", "checkpoints/step-0000008/model.safetensors"));
    EXPECT(same_file("full", "checkpoints/step-0000008/momentum.safetensors"));
    end();
}

// What was trained would be lost without a word.
static void full_disk_at_the_end(void) {
    enum trainer_end ended;
    begin();
    EXPECT_STATUS(run(&(struct script){.folder = "lost", .fill_disk_at = 7}, &ended),
                  STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "model.safetensors: cannot write");
    EXPECT_INT(checkpoint_pointer(path_of("checkpoints"), "latest"), 6);
    EXPECT_STATUS(
        run(&(struct script){.folder = "stopped", .fill_disk_at = 5, .interrupt_at = 7}, &ended),
        STATUS_CANNOT_WRITE, &err);
    end();
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"unbroken", unbroken},
                         {"interrupted_anywhere", interrupted_anywhere},
                         {"evaluation_cancelled", evaluation_cancelled},
                         {"out_of_time", out_of_time},
                         {"broken", broken},
                         {"finished", finished},
                         {"another_seed", another_seed},
                         {"best", best},
                         {"patience", patience},
                         {"full_disk", full_disk},
                         {"full_disk_at_the_end", full_disk_at_the_end},
                         {0},
                     });
}
