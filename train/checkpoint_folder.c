// The folder around checkpoints: names, what is there, what is deleted.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file_view.h"
#include "train/checkpoint_internal.h"
#include "train/manifest.h"

// Names of what is no checkpoint yet, or no longer one, begin with this.
#define TEMPORARY ".tmp-"

enum { NAME_BYTES = 64, MAX_POINTER_BYTES = 64 };

// ---- Names ----

static void write_name(char name[NAME_BYTES], int64_t step) {
    snprintf(name, NAME_BYTES, "step-%07" PRId64, step);
}

// -1 if it is no checkpoint's name.
static int64_t step_of(const char *name) {
    char same[NAME_BYTES];
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9') return -1;
    int64_t step = strtoll(name + 5, NULL, 10);
    write_name(same, step);
    return strcmp(name, same) == 0 ? step : -1;
}

enum status checkpoint_path(char path[PATH_BYTES], const char *folder, int64_t step,
                            struct error *err) {
    char name[NAME_BYTES];
    write_name(name, step);
    return path_join(path, folder, name, err);
}

enum status checkpoint_temporary_path(char path[PATH_BYTES], const char *folder,
                                      struct error *err) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, TEMPORARY "%lld", (long long)getpid());
    return path_join(path, folder, name, err);
}

static bool exists(const char *folder, int64_t step) {
    char path[PATH_BYTES];
    return checkpoint_path(path, folder, step, NULL) == STATUS_OK && access(path, F_OK) == 0;
}

// ---- What is there ----

struct step_list {
    int64_t *items; // the newest first
    int64_t count, capacity;
};

static int compare_steps(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left > right ? -1 : left < right;
}

static enum status read_steps(struct step_list *list, DIR *folder, struct error *err) {
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        int64_t step = step_of(entry->d_name);
        if (step < 0) continue;
        TRY(array_reserve(&list->items, &list->capacity, list->count + 1, sizeof *list->items,
                          err));
        list->items[list->count++] = step;
    }
    if (list->count) qsort(list->items, (size_t)list->count, sizeof *list->items, compare_steps);
    return STATUS_OK;
}

// The caller frees the items, also after an error.
static enum status list_steps(struct step_list *list, const char *path, struct error *err) {
    *list = (struct step_list){0};
    DIR *folder = opendir(path);
    if (!folder && errno == ENOENT) return STATUS_OK;
    if (!folder) return error_set(err, STATUS_NO_INPUT, "%s: %s", path, strerror(errno));
    enum status status = read_steps(list, folder, err);
    closedir(folder);
    return status;
}

static enum status find_valid(const char *folder, const struct step_list *steps, int64_t *step,
                              struct error *skipped, struct error *err) {
    char path[PATH_BYTES];
    for (int64_t i = 0; i < steps->count; i++) {
        struct error failure = {0};
        TRY(checkpoint_path(path, folder, steps->items[i], err));
        enum status status = manifest_verify(path, CHECKPOINT_FILES, steps->items[i], &failure);
        if (status == STATUS_OK) {
            *step = steps->items[i];
            return STATUS_OK;
        }
        // What cannot be told now must not be passed over, and then be overwritten.
        if (status != STATUS_DATA) return error_set(err, status, "%s", failure.message);
        if (i == 0) *skipped = failure;
    }
    if (steps->count == 0) return STATUS_OK;
    return error_set(err, STATUS_DATA, "no checkpoint is whole: %s", skipped->message);
}

enum status checkpoint_find_latest(const char *folder, int64_t *step, struct error *skipped,
                                   struct error *err) {
    struct step_list steps;
    *step = -1;
    *skipped = (struct error){0};
    enum status status = list_steps(&steps, folder, err);
    if (status == STATUS_OK) status = find_valid(folder, &steps, step, skipped, err);
    array_free(&steps.items);
    return status;
}

// ---- Pointers ----

int64_t checkpoint_pointer(const char *folder, const char *name) {
    char path[PATH_BYTES];
    char text[MAX_POINTER_BYTES + 1] = {0};
    struct file_view view;
    if (path_join(path, folder, name, NULL) != STATUS_OK) return -1;
    if (file_view_open(&view, path, MAX_POINTER_BYTES, NULL) != STATUS_OK) return -1;
    if (view.size) memcpy(text, view.data, (size_t)view.size);
    file_view_close(&view);
    text[strcspn(text, "\n")] = '\0';
    return step_of(text);
}

static enum status set_pointer(const char *folder, const char *name, int64_t step,
                               struct error *err) {
    char path[PATH_BYTES];
    char text[NAME_BYTES];
    TRY(path_join(path, folder, name, err));
    write_name(text, step);
    size_t size = strlen(text);
    text[size++] = '\n';
    return output_save(path, text, (int64_t)size, err);
}

// Removes a pointer to a checkpoint that is not there.
static enum status drop_pointer(const char *folder, const char *name, struct error *err) {
    char path[PATH_BYTES];
    if (exists(folder, checkpoint_pointer(folder, name))) return STATUS_OK;
    TRY(path_join(path, folder, name, err));
    if (unlink(path) == 0 || errno == ENOENT) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot remove: %s", path, strerror(errno));
}

enum status checkpoint_point(const char *folder, const struct training_state *state,
                             struct error *err) {
    if (exists(folder, state->step)) TRY(set_pointer(folder, CHECKPOINT_LATEST, state->step, err));
    bool has_best = !isnan(state->best_score) && exists(folder, state->best_step);
    // The best step may have been none that was saved: then the best of those that were stays.
    if (has_best) TRY(set_pointer(folder, CHECKPOINT_BEST, state->best_step, err));
    return STATUS_OK;
}

// ---- Coming and going ----

static enum status fail(const char *path, struct error *err) {
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot rename: %s", path, strerror(errno));
}

// Where the checkpoint of a step goes while it is deleted, so that it is never seen in part.
static enum status move_away(const char *folder, int64_t step, char moved[PATH_BYTES],
                             struct error *err) {
    char path[PATH_BYTES];
    char name[NAME_BYTES];
    TRY(checkpoint_path(path, folder, step, err));
    snprintf(name, sizeof name, TEMPORARY "step-%lld", (long long)step);
    TRY(path_join(moved, folder, name, err));
    TRY(folder_remove(moved, err));
    return rename(path, moved) == 0 ? STATUS_OK : fail(path, err);
}

// For file systems that cannot exchange two names. If the process dies between the two renames, the
// checkpoint of this step is lost, and the one before is the newest.
static enum status replace(const char *folder, const char *temporary, int64_t step,
                           const char *path, struct error *err) {
    char moved[PATH_BYTES];
    TRY(move_away(folder, step, moved, err));
    if (rename(temporary, path) != 0) {
        enum status status = fail(temporary, err);
        (void)rename(moved, path);
        return status;
    }
    return folder_remove(moved, err);
}

enum status checkpoint_publish(const char *folder, const char *temporary, int64_t step,
                               struct error *err) {
    char path[PATH_BYTES];
    TRY(checkpoint_path(path, folder, step, err));
    if (rename(temporary, path) == 0) return folder_sync(folder, err);
    if (errno != EEXIST && errno != ENOTEMPTY) return fail(temporary, err);
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_EXCHANGE) != 0)
        TRY(replace(folder, temporary, step, path, err));
    TRY(folder_sync(folder, err));
    return folder_remove(temporary, err); // what was exchanged for it
}

static enum status delete_checkpoint(const char *folder, int64_t step, struct error *err) {
    char moved[PATH_BYTES];
    TRY(move_away(folder, step, moved, err));
    return folder_remove(moved, err);
}

static enum status delete_steps(const char *folder, const struct step_list *steps,
                                const struct checkpoint_rules *rules, int64_t newest,
                                struct error *err) {
    int64_t best = checkpoint_pointer(folder, CHECKPOINT_BEST);
    int64_t num_kept = 0;
    for (int64_t i = 0; i < steps->count; i++) {
        int64_t step = steps->items[i];
        if (step > newest || num_kept++ < rules->keep) continue;
        bool kept = step == best || (rules->keep_every && step % rules->keep_every == 0);
        if (!kept) TRY(delete_checkpoint(folder, step, err));
    }
    return STATUS_OK;
}

enum status checkpoint_delete_old(const char *folder, const struct checkpoint_rules *rules,
                                  int64_t newest, struct error *err) {
    struct step_list steps;
    enum status status = list_steps(&steps, folder, err);
    if (status == STATUS_OK) status = delete_steps(folder, &steps, rules, newest, err);
    array_free(&steps.items);
    return status;
}

static enum status delete_later(const char *folder, int64_t last, struct error *err) {
    struct step_list steps;
    enum status status = list_steps(&steps, folder, err);
    for (int64_t i = 0; i < steps.count && status == STATUS_OK; i++)
        if (steps.items[i] > last) status = delete_checkpoint(folder, steps.items[i], err);
    array_free(&steps.items);
    return status;
}

enum status checkpoint_rewind(const char *folder, const struct training_state *state,
                              struct error *err) {
    TRY(delete_later(folder, state->step, err));
    TRY(drop_pointer(folder, CHECKPOINT_LATEST, err));
    TRY(drop_pointer(folder, CHECKPOINT_BEST, err));
    return checkpoint_point(folder, state, err);
}

// ---- What a process that died has left ----

static enum status remove_temporaries(DIR *folder, const char *path, struct error *err) {
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char stale[PATH_BYTES];
        if (strncmp(entry->d_name, TEMPORARY, sizeof TEMPORARY - 1) != 0) continue;
        TRY(path_join(stale, path, entry->d_name, err));
        TRY(folder_remove(stale, err));
    }
    return STATUS_OK;
}

enum status checkpoint_folder_open(const char *folder, struct error *err) {
    TRY(folder_make(folder, err));
    DIR *stream = opendir(folder);
    if (!stream) return error_set(err, STATUS_NO_INPUT, "%s: %s", folder, strerror(errno));
    enum status status = remove_temporaries(stream, folder, err);
    closedir(stream);
    return status == STATUS_OK ? folder_remove_unfinished(folder, err) : status;
}
