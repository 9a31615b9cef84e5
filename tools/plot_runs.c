#include "tools/plot_runs.h"

#include <stdio.h>
#include <string.h>

#include "train/run_folder.h"

// ---- Names ----

// The last part of a path, without slashes at the end. Returns its size.
static int64_t last_part(const char *path, const char **part) {
    const char *end = path + strlen(path);
    while (end > path + 1 && end[-1] == '/')
        end--;
    const char *begin = end;
    while (begin > path && begin[-1] != '/')
        begin--;
    *part = begin;
    return end - begin;
}

static bool shares_last_part(const char *const *folders, int num_folders, int index) {
    const char *part = NULL;
    int64_t size = last_part(folders[index], &part);
    for (int i = 0; i < num_folders; i++) {
        const char *other = NULL;
        if (i != index && last_part(folders[i], &other) == size &&
            memcmp(part, other, (size_t)size) == 0)
            return true;
    }
    return false;
}

// The end of a text that is too long for a legend; what differs between paths is mostly there.
static const char *shortened(const char *text, struct arena *arena) {
    enum { MAX_CHARACTERS = 48 };
    int64_t count = 0;
    const char *begin = text + strlen(text);
    while (begin > text && count < MAX_CHARACTERS)
        count += ((unsigned char)*--begin & 0xc0) != 0x80;
    if (begin == text) return text;
    static const char ellipsis[] = "\u2026";
    int64_t size = (int64_t)(sizeof ellipsis + strlen(begin));
    char *copy = arena_alloc(arena, size, 1);
    if (copy) snprintf(copy, (size_t)size, "%s%s", ellipsis, begin);
    return copy;
}

static const char *name_of(const char *const *folders, int num_folders, int index,
                           struct arena *arena) {
    const char *part = NULL;
    int64_t size = last_part(folders[index], &part);
    const char *name = shares_last_part(folders, num_folders, index)
                           ? folders[index]
                           : arena_copy_text(arena, part, size);
    return name ? shortened(name, arena) : NULL;
}

// ---- Reading ----

static void include_steps(struct range *range, const struct metrics *metrics) {
    for (int64_t i = 0; i < metrics->num_train; i++)
        range_include(range, (double)metrics->train[i].step);
    for (int64_t i = 0; i < metrics->num_evals; i++)
        range_include(range, (double)metrics->evals[i].step);
}

static enum status read_run(struct plotted_runs *runs, const char *folder, struct log *log,
                            struct error *err) {
    char path[PATH_BYTES];
    struct plotted_run *run = &runs->runs[runs->count];
    TRY(path_join(path, folder, RUN_METRICS, err));
    TRY(metrics_read(&run->metrics, path, err));
    if (run->metrics.num_train + run->metrics.num_evals == 0) {
        log_message(log, LOG_WARNING, "%s: nothing is recorded yet", path);
        return STATUS_OK;
    }
    include_steps(&runs->steps, &run->metrics);
    runs->count++;
    return STATUS_OK;
}

enum status plotted_runs_read(struct plotted_runs *runs, const char *const *folders,
                              int num_folders, struct log *log, struct arena *arena,
                              struct error *err) {
    *runs = (struct plotted_runs){.steps = range_of_nothing()};
    runs->runs = arena_alloc_zero(arena, num_folders, sizeof *runs->runs);
    if (!runs->runs) return error_memory(err, "runs", num_folders * (long long)sizeof *runs->runs);
    for (int i = 0; i < num_folders; i++) {
        struct plotted_run *run = &runs->runs[runs->count];
        TRY(read_run(runs, folders[i], log, err));
        run->name = name_of(folders, num_folders, i, arena);
        if (!run->name) return error_memory(err, "a name", PATH_BYTES);
    }
    return STATUS_OK;
}

void plotted_runs_free(struct plotted_runs *runs) {
    for (int i = 0; i < runs->count; i++)
        metrics_free(&runs->runs[i].metrics);
    *runs = (struct plotted_runs){0};
}

// ---- Series ----

// Lines of line_bytes each, which begin with the step as an int64_t.
static enum status extract(const void *lines, int64_t num_lines, size_t line_bytes, size_t offset,
                           double factor, struct series *series, struct arena *arena,
                           struct error *err) {
    double *steps = arena_alloc(arena, num_lines, sizeof *steps);
    double *values = arena_alloc(arena, num_lines, sizeof *values);
    if (!steps || !values)
        return error_memory(err, "a chart", 2 * num_lines * (long long)sizeof *steps);
    const char *line = lines;
    for (int64_t i = 0; i < num_lines; i++, line += line_bytes) {
        int64_t step = 0;
        memcpy(&step, line, sizeof step);
        memcpy(&values[i], line + offset, sizeof *values);
        steps[i] = (double)step;
        values[i] *= factor;
    }
    *series = (struct series){steps, values, num_lines};
    return STATUS_OK;
}

_Static_assert(offsetof(struct metrics_train, step) == 0 &&
                   offsetof(struct metrics_eval, step) == 0,
               "extract takes the step from there");

enum status plotted_run_training(const struct plotted_run *run, size_t offset,
                                 struct series *series, struct arena *arena, struct error *err) {
    const struct metrics *metrics = &run->metrics;
    return extract(metrics->train, metrics->num_train, sizeof *metrics->train, offset, 1, series,
                   arena, err);
}

enum status plotted_run_evaluations(const struct plotted_run *run, size_t offset, double factor,
                                    struct series *series, struct arena *arena, struct error *err) {
    const struct metrics *metrics = &run->metrics;
    return extract(metrics->evals, metrics->num_evals, sizeof *metrics->evals, offset, factor,
                   series, arena, err);
}
