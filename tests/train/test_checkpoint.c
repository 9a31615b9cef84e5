// Checkpoints: what is saved is loaded again bit for bit, damage is found and passed over, other
// configurations are refused, and those that are kept are the right ones.
#include "train/checkpoint.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_view.h"
#include "tests/harness.h"
#include "tests/train/check_training.h"

static const struct checkpoint_rules KEEP_ALL = {1000, 0};

static const char *scratch_path(const char *name) {
    static char paths[4][PATH_BYTES];
    static int next;
    char *path = paths[next++ % 4];
    struct error err;
    REQUIRE(path_join(path, scratch_folder(), name, &err) == STATUS_OK);
    return path;
}

// A folder with checkpoints of the steps, which end with -1. Its path holds until the next call.
static const char *make_folder(const char *name, struct small_training *small,
                               const int64_t *steps) {
    static char folder[PATH_BYTES];
    struct error err;
    snprintf(folder, sizeof folder, "%s", scratch_path(name));
    small_training_create(small, NULL);
    EXPECT_OK(checkpoint_folder_open(folder, &err), &err);
    for (; *steps >= 0; steps++) {
        small_training_set(small, *steps);
        EXPECT_OK(checkpoint_save(folder, &small->training, &KEEP_ALL, &err), &err);
    }
    return folder;
}

static bool has(const char *folder, int64_t step) {
    char path[PATH_BYTES];
    struct error err;
    return checkpoint_path(path, folder, step, &err) == STATUS_OK && access(path, F_OK) == 0;
}

// The number of checkpoints, and whether they are those of the steps, which end with -1.
static void expect_steps(const char *folder, const int64_t *steps) {
    int count = 0;
    for (; steps[count] >= 0; count++)
        EXPECT(has(folder, steps[count]));
    EXPECT_INT(count_names(folder, "step-"), count);
    EXPECT_INT(count_names(folder, ".tmp-"), 0);
}

static int64_t latest(const char *folder, struct error *skipped) {
    int64_t step = -2;
    struct error err;
    EXPECT_OK(checkpoint_find_latest(folder, &step, skipped, &err), &err);
    return step;
}

static void round_trip(void) {
    struct small_training small;
    struct error err;
    struct error skipped;
    const char *folder = make_folder("round/checkpoints", &small, (int64_t[]){0, 7, 1200, -1});
    uint64_t version = small.model.network.parameters.version;
    EXPECT_INT(latest(folder, &skipped), 1200);
    EXPECT_INT(skipped.code, STATUS_OK);
    EXPECT(has(folder, 0) && has(folder, 7) && checkpoint_holds(folder, 7));
    EXPECT(checkpoint_holds(folder, 0));
    EXPECT(small_training_is(&small, 1200)); // saving changes nothing
    EXPECT_OK(checkpoint_load(folder, 7, &small.training, &err), &err);
    EXPECT(small_training_is(&small, 7));
    EXPECT(small.model.network.parameters.version > version);
    EXPECT_INT(count_names(folder, "step-0001200"), 1);
    EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_LATEST), 1200);
    small_training_destroy(&small);
}

// Any command can take the model out of a checkpoint.
static void model_file(void) {
    struct small_training small;
    struct detector_model model;
    struct error err;
    (void)make_folder("model", &small, (int64_t[]){5, -1});
    const char *path = scratch_path("model/step-0000005/" CHECKPOINT_MODEL);
    EXPECT_OK(detector_model_load(&model, path, NULL, false, &err), &err);
    EXPECT_INT(model.config.box.hidden, 8);
    detector_model_destroy(&model);
    small_training_destroy(&small);
}

static void nothing_there(void) {
    struct error skipped = {0};
    struct error err;
    int64_t step = 0;
    EXPECT_INT(latest(scratch_path("nowhere"), &skipped), -1);
    EXPECT_OK(checkpoint_folder_open(scratch_path("empty"), &err), &err);
    EXPECT_INT(latest(scratch_path("empty"), &skipped), -1);
    EXPECT_INT(checkpoint_pointer(scratch_path("empty"), CHECKPOINT_LATEST), -1);
    // Names that are no checkpoint's.
    EXPECT_INT(mkdir(scratch_path("empty/step-12"), 0777), 0);
    EXPECT_INT(mkdir(scratch_path("empty/step-0000012x"), 0777), 0);
    EXPECT_INT(mkdir(scratch_path("empty/step--000012"), 0777), 0);
    EXPECT_INT(mkdir(scratch_path("empty/step-99999999999999999999"), 0777), 0);
    EXPECT_INT(latest(scratch_path("empty"), &skipped), -1);
    EXPECT_STATUS(checkpoint_find_latest("/etc/passwd", &step, &skipped, &err), STATUS_NO_INPUT,
                  &err);
}

// A process that died while it saved or deleted has left these.
static void stale_folders(void) {
    struct small_training small;
    struct error err;
    const char *folder = make_folder("stale", &small, (int64_t[]){1, -1});
    EXPECT_INT(mkdir(scratch_path("stale/.tmp-123"), 0777), 0);
    EXPECT_OK(output_save(scratch_path("stale/.tmp-123/model.safetensors"), "x", 1, &err), &err);
    EXPECT_INT(mkdir(scratch_path("stale/.tmp-step-77"), 0777), 0);
    EXPECT_OK(checkpoint_folder_open(folder, &err), &err);
    expect_steps(folder, (int64_t[]){1, -1});
    EXPECT(checkpoint_holds(folder, 1));
    small_training_destroy(&small);
}

// ---- Damage ----

enum damage { FLIPPED, CUT, EMPTIED, REMOVED, GROWN, NUM_DAMAGES };

static void damage_file(const char *path, enum damage damage, int64_t place) {
    struct stat info;
    char byte = 0;
    REQUIRE(stat(path, &info) == 0);
    int file = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(file >= 0);
    if (damage == FLIPPED) {
        place %= info.st_size;
        REQUIRE(pread(file, &byte, 1, place) == 1);
        byte = (char)(byte ^ 1);
        REQUIRE(pwrite(file, &byte, 1, place) == 1);
    }
    if (damage == CUT) REQUIRE(ftruncate(file, info.st_size - 1) == 0);
    if (damage == EMPTIED) REQUIRE(ftruncate(file, 0) == 0);
    if (damage == GROWN) REQUIRE(pwrite(file, "x", 1, info.st_size) == 1);
    close(file);
    if (damage == REMOVED) REQUIRE(remove(path) == 0);
}

// Damages a file of the newest of two checkpoints, and expects the other.
static void expect_fall_back(struct small_training *small, const char *file, enum damage damage,
                             int64_t place) {
    const char *folder = scratch_path("damaged");
    char path[PATH_BYTES];
    char name[64];
    struct error err;
    struct error skipped;
    snprintf(name, sizeof name, "/step-0000009/%s", file);
    small_training_set(small, 9);
    EXPECT_OK(checkpoint_save(folder, &small->training, &KEEP_ALL, &err), &err);
    EXPECT_INT(latest(folder, &skipped), 9);
    EXPECT_OK(path_join(path, folder, name + 1, &err), &err);
    damage_file(path, damage, place);
    EXPECT_INT(latest(folder, &skipped), 5);
    EXPECT_INT(skipped.code, STATUS_DATA);
    EXPECT_CONTAINS(skipped.message, "/step-0000009/");
    EXPECT_CONTAINS(skipped.message, damage == REMOVED ? file : ": ");
    EXPECT_STATUS(checkpoint_load(folder, 9, &small->training, &err), STATUS_DATA, &err);
    EXPECT_TEXT(err.message, skipped.message);
    EXPECT(small_training_is(small, 9)); // nothing was filled
}

static void damaged(void) {
    static const char *const files[] = {CHECKPOINT_MODEL, "momentum.safetensors", "state.json"};
    struct small_training small;
    struct error err;
    struct error skipped;
    const char *folder = make_folder("damaged", &small, (int64_t[]){5, -1});
    for (int f = 0; f < 3; f++)
        for (int damage = 0; damage < NUM_DAMAGES; damage++)
            expect_fall_back(&small, files[f], (enum damage)damage, 98765);
    // Whatever bit of the manifest's meaning is wrong. (White space is not.)
    expect_fall_back(&small, "MANIFEST.json", REMOVED, 0);
    expect_fall_back(&small, "MANIFEST.json", EMPTIED, 0);
    expect_fall_back(&small, "MANIFEST.json", GROWN, 0);
    struct file_view view;
    small_training_set(&small, 9);
    EXPECT_OK(checkpoint_save(folder, &small.training, &KEEP_ALL, &err), &err);
    EXPECT_OK(file_view_open(&view, scratch_path("damaged/step-0000009/MANIFEST.json"), 0, &err),
              &err);
    char text[1024] = {0};
    REQUIRE(view.size < (int64_t)sizeof text);
    memcpy(text, view.data, (size_t)view.size);
    file_view_close(&view);
    for (int64_t i = 0; text[i]; i++)
        if (text[i] > ' ') expect_fall_back(&small, "MANIFEST.json", FLIPPED, i);
    EXPECT(checkpoint_holds(folder, 5));
    // None is whole.
    int64_t step = 0;
    damage_file(scratch_path("damaged/step-0000005/state.json"), REMOVED, 0);
    EXPECT_STATUS(checkpoint_find_latest(folder, &step, &skipped, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "no checkpoint is whole: ");
    EXPECT_CONTAINS(err.message, "/step-0000009/MANIFEST.json: ");
    small_training_destroy(&small);
}

// ---- Other configurations ----

static void other_configuration(void) {
    static const struct {
        const char *override;
        const char *message; // NULL: may differ
    } cases[] = {
        {"schedule.batch=8", "it was trained with schedule.batch 4, not with 8"},
        {"solver.learning_rate=0.5", "it was trained with solver.learning_rate 0.02, not with 0.5"},
        {"box.hidden=16", "it was trained with box.hidden 8, not with 16"},
        {"backbone.attention=se", "it was trained with backbone.attention gct, not with se"},
        {"schedule.drops=5", "it was trained with schedule.drops ["},
        {"schedule.iterations=5", NULL},
    };
    struct small_training small;
    const char *folder = make_folder("other", &small, (int64_t[]){3, -1});
    small_training_destroy(&small);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        const struct option_texts overrides = {&cases[i].override, 1};
        small_training_create(&small, &overrides);
        EXPECT_STATUS(checkpoint_load(folder, 3, &small.training, &err),
                      cases[i].message ? STATUS_USAGE : STATUS_OK, &err);
        if (cases[i].message) EXPECT_CONTAINS(err.message, cases[i].message);
        small_training_destroy(&small);
    }
}

// A checkpoint under another's name.
static void wrong_step(void) {
    struct small_training small;
    struct error err;
    const char *folder = make_folder("wrong", &small, (int64_t[]){3, -1});
    EXPECT_INT(rename(scratch_path("wrong/step-0000003"), scratch_path("wrong/step-0000004")), 0);
    EXPECT_STATUS(checkpoint_load(folder, 4, &small.training, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "step 3, expected 4");
    EXPECT_STATUS(checkpoint_load(folder, 5, &small.training, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "/step-0000005/MANIFEST.json: No such file");
    small_training_destroy(&small);
}

// ---- What is not saved ----

static void not_finite(void) {
    struct small_training small;
    struct error err;
    const char *folder = make_folder("nan", &small, (int64_t[]){3, -1});
    struct parameter *p =
        parameters_find(&small.model.network.parameters, "roi_heads.box_head.fc6.bias");
    small_training_set(&small, 4);
    p->data[2] = NAN;
    EXPECT_STATUS(checkpoint_save(folder, &small.training, &KEEP_ALL, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "roi_heads.box_head.fc6.bias: value 2 is ");
    p->data[2] = 1;
    small.velocity[p->grad - p->owner->grad + 7] = -INFINITY;
    EXPECT_STATUS(checkpoint_save(folder, &small.training, &KEEP_ALL, &err), STATUS_DATA, &err);
    EXPECT_TEXT(err.message,
                "the momentum of roi_heads.box_head.fc6.bias: value 7 is -inf: it is not saved");
    expect_steps(folder, (int64_t[]){3, -1});
    EXPECT(checkpoint_holds(folder, 3));
    small_training_destroy(&small);
}

// ---- What is kept ----

static void keeping(void) {
    const struct checkpoint_rules rules = {.keep = 2, .keep_every = 40};
    struct small_training small;
    struct error err;
    const char *folder = make_folder("keep", &small, (int64_t[]){-1});
    for (int64_t step = 10; step <= 120; step += 10) {
        small_training_set(&small, step);
        small.state.best_step = step < 50 ? 10 : 50;
        EXPECT_OK(checkpoint_save(folder, &small.training, &rules, &err), &err);
        if (step == 30) expect_steps(folder, (int64_t[]){10, 20, 30, -1});
        if (step == 40) expect_steps(folder, (int64_t[]){10, 30, 40, -1});
        EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_LATEST), step);
        EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_BEST), step < 50 ? 10 : 50);
    }
    expect_steps(folder, (int64_t[]){40, 50, 80, 110, 120, -1});
    // The best step is one that was not saved: the best of those that were stays.
    small_training_set(&small, 130);
    small.state.best_step = 125;
    EXPECT_OK(checkpoint_save(folder, &small.training, &rules, &err), &err);
    expect_steps(folder, (int64_t[]){40, 50, 80, 120, 130, -1});
    EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_BEST), 50);
    small_training_destroy(&small);
}

// One that is damaged and newer counts for nothing, and what was saved last is never deleted.
static void keeping_beside_damage(void) {
    const struct checkpoint_rules rules = {.keep = 1};
    struct small_training small;
    struct error err;
    struct error skipped;
    const char *folder = make_folder("beside", &small, (int64_t[]){5, 9, -1});
    damage_file(scratch_path("beside/step-0000009/state.json"), CUT, 0);
    EXPECT_INT(latest(folder, &skipped), 5);
    small_training_set(&small, 7);
    EXPECT_OK(checkpoint_save(folder, &small.training, &rules, &err), &err);
    expect_steps(folder, (int64_t[]){7, 9, -1});
    EXPECT_INT(latest(folder, &skipped), 7);
    EXPECT(checkpoint_holds(folder, 7));
    small_training_destroy(&small);
}

// The same step again, with other values.
static void saved_again(void) {
    struct small_training small;
    struct error err;
    const char *folder = make_folder("again", &small, (int64_t[]){5, -1});
    damage_file(scratch_path("again/step-0000005/state.json"), CUT, 0);
    EXPECT_OK(checkpoint_save(folder, &small.training, &KEEP_ALL, &err), &err);
    expect_steps(folder, (int64_t[]){5, -1});
    EXPECT(checkpoint_holds(folder, 5));
    small_training_destroy(&small);
}

// ---- Going back ----

static void rewinding(void) {
    struct small_training small;
    struct error err;
    const char *folder = make_folder("rewind", &small, (int64_t[]){1, 2, 3, 4, 5, -1});
    small.state.best_step = 5;
    EXPECT_OK(checkpoint_save(folder, &small.training, &KEEP_ALL, &err), &err);
    EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_BEST), 5);
    small_training_set(&small, 3); // whose best step is 2
    EXPECT_OK(checkpoint_rewind(folder, &small.state, &err), &err);
    expect_steps(folder, (int64_t[]){1, 2, 3, -1});
    EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_LATEST), 3);
    EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_BEST), 2);
    EXPECT(checkpoint_holds(folder, 3));
    // To the very beginning.
    struct training_state start = training_state_start(1, 16, 2);
    EXPECT_OK(checkpoint_rewind(folder, &start, &err), &err);
    expect_steps(folder, (int64_t[]){-1});
    EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_LATEST), -1);
    EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_BEST), -1);
    EXPECT_INT(count_names(folder, "latest"), 0);
    EXPECT_INT(count_names(folder, "best"), 0);
    small_training_destroy(&small);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"round_trip", round_trip},
                                          {"model_file", model_file},
                                          {"nothing_there", nothing_there},
                                          {"stale_folders", stale_folders},
                                          {"damaged", damaged},
                                          {"other_configuration", other_configuration},
                                          {"wrong_step", wrong_step},
                                          {"not_finite", not_finite},
                                          {"keeping", keeping},
                                          {"keeping_beside_damage", keeping_beside_damage},
                                          {"saved_again", saved_again},
                                          {"rewinding", rewinding},
                                          {0}});
}
