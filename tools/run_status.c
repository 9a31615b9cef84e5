#include "tools/run_status.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "train/checkpoint.h"

// ---- What was recorded ----

// A run that has just begun has no such file yet. *age: seconds since it was last written; NaN
// without one.
static enum status read_metrics(struct metrics *metrics, const char *folder, const char *name,
                                double *age, struct error *err) {
    char path[PATH_BYTES];
    struct stat info;
    *age = (double)NAN;
    TRY(path_join(path, folder, name, err));
    if (stat(path, &info) != 0 && errno == ENOENT) return STATUS_OK;
    TRY(metrics_read(metrics, path, err));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *age = fmax((double)(now.tv_sec - info.st_mtim.tv_sec) +
                    1e-9 * (double)(now.tv_nsec - info.st_mtim.tv_nsec),
                0);
    return STATUS_OK;
}

static void add_precision(struct precision_history *history, int64_t step, double value) {
    if (isnan(value)) return;
    if (history->count == 0 || value > history->best) {
        history->best = value;
        history->best_step = step;
    }
    history->last = value;
    history->last_step = step;
    history->count++;
}

static void summarise_metrics(struct run_status *status) {
    const struct metrics *metrics = &status->metrics;
    if (metrics->num_train > 0) status->train = &metrics->train[metrics->num_train - 1];
    if (metrics->num_evals > 0) status->eval = &metrics->evals[metrics->num_evals - 1];
    for (int64_t i = 0; i < metrics->num_evals; i++) {
        const struct metrics_eval *eval = &metrics->evals[i];
        add_precision(&status->box, eval->step, eval->box_ap);
        add_precision(&status->mask, eval->step, eval->mask_ap);
    }
    status->step = status->record.step;
    if (status->train && status->train->step > status->step) status->step = status->train->step;
}

// ---- Speed ----

enum { MAX_TIMINGS = 20 }; // to take the median of: so many that a pause does not count

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

// The median of a number of the last lines, by its offset.
static double recent_median(const struct metrics *timing, size_t offset) {
    double values[MAX_TIMINGS];
    int64_t count = 0;
    for (int64_t i = timing->num_timings - 1; i >= 0 && count < MAX_TIMINGS; i--) {
        const char *line = (const char *)&timing->timings[i];
        double value = *(const double *)(line + offset);
        if (isfinite(value)) values[count++] = value;
    }
    if (count == 0) return (double)NAN;
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void summarise_timing(struct run_status *status, const struct metrics *timing) {
    status->seconds = recent_median(timing, offsetof(struct metrics_timing, seconds));
    status->data_seconds = recent_median(timing, offsetof(struct metrics_timing, data_seconds));
    status->images_per_second =
        recent_median(timing, offsetof(struct metrics_timing, images_per_second));
    status->memory_bytes = timing->num_timings > 0
                               ? timing->timings[timing->num_timings - 1].memory_bytes
                               : (double)NAN;
    int64_t steps_left = status->record.steps - status->step;
    status->seconds_left = status->record.state == RUN_RUNNING && steps_left >= 0
                               ? status->seconds * (double)steps_left
                               : (double)NAN;
}

// ---- Checkpoints ----

// The sizes of the files in a checkpoint. What vanishes meanwhile counts nothing: the run may be
// deleting old ones.
static int64_t size_of_files(const char *folder) {
    int64_t bytes = 0;
    DIR *directory = opendir(folder);
    if (!directory) return 0;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        char path[PATH_BYTES];
        struct stat info;
        if (path_join(path, folder, entry->d_name, NULL) == STATUS_OK && lstat(path, &info) == 0 &&
            S_ISREG(info.st_mode))
            bytes += info.st_size;
    }
    closedir(directory);
    return bytes;
}

static enum status summarise_checkpoints(struct checkpoint_summary *summary, const char *run,
                                         struct error *err) {
    char folder[PATH_BYTES];
    char path[PATH_BYTES];
    TRY(path_join(folder, run, RUN_CHECKPOINTS, err));
    *summary = (struct checkpoint_summary){
        .latest = checkpoint_pointer(folder, CHECKPOINT_LATEST),
        .best = checkpoint_pointer(folder, CHECKPOINT_BEST),
    };
    DIR *directory = opendir(folder);
    if (!directory) return STATUS_OK; // none was saved yet
    enum status status = STATUS_OK;
    for (const struct dirent *entry; status == STATUS_OK && (entry = readdir(directory));) {
        if (strncmp(entry->d_name, "step-", strlen("step-")) != 0) continue;
        status = path_join(path, folder, entry->d_name, err);
        if (status != STATUS_OK) continue;
        summary->count++;
        summary->bytes += size_of_files(path);
    }
    closedir(directory);
    return status;
}

// ---- All of it ----

static enum status read_parts(struct run_status *status, struct metrics *timing, const char *folder,
                              struct arena *arena, struct error *err) {
    double age_of_timing = 0;
    TRY(run_folder_read(&status->record, folder, arena, err));
    TRY(read_metrics(&status->metrics, folder, RUN_METRICS, &status->seconds_since_line, err));
    TRY(read_metrics(timing, folder, RUN_TIMINGS, &age_of_timing, err));
    TRY(summarise_checkpoints(&status->checkpoints, folder, err));
    status->seconds_since_line = fmin(status->seconds_since_line, age_of_timing); // NaN is no age
    summarise_metrics(status);
    summarise_timing(status, timing);
    return STATUS_OK;
}

enum status run_status_read(struct run_status *status, const char *folder, struct arena *arena,
                            struct error *err) {
    *status = (struct run_status){0};
    struct metrics timing = {0};
    enum status result = read_parts(status, &timing, folder, arena, err);
    metrics_free(&timing);
    if (result != STATUS_OK) run_status_free(status);
    return result;
}

void run_status_free(struct run_status *status) {
    metrics_free(&status->metrics);
    *status = (struct run_status){0};
}
