#include "train/run_folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json_writer.h"
#include "train/folder_lock.h"

static const char *const RECORD = "run.json";
static const char *const CONFIG = "config.json";

// ---- Writing ----

static const char *write_time(char text[RUN_TIME_BYTES]) {
    time_t now = time(NULL);
    struct tm utc;
    CHECK(gmtime_r(&now, &utc));
    CHECK(strftime(text, RUN_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0);
    return text;
}

static enum status save(const struct run_folder *run, struct error *err) {
    char path[PATH_BYTES];
    TRY(path_join(path, run->path, RECORD, err));
    return run_record_save(&run->record, path, err);
}

static enum status begin(struct run_folder *run, const struct run_start *start, bool has_run,
                         struct error *err) {
    if (has_run && !start->resume)
        return error_set(err, STATUS_USAGE,
                         "%s: this folder holds a run: resume it, or give another folder",
                         run->path);
    if (!has_run && start->resume)
        return error_set(err, STATUS_USAGE, "%s: there is no run to resume in this folder",
                         run->path);
    struct run_record *record = &run->record;
    record->state = RUN_RUNNING;
    record->pid = getpid();
    record->host = run->host;
    record->version = start->version;
    record->command = start->command;
    record->steps = start->steps;
    if (has_run)
        record->resumed = write_time(run->times[1]);
    else
        record->started = write_time(run->times[0]);
    return save(run, err);
}

// What a run that is resumed has to remember of its earlier life.
static enum status remember(struct run_folder *run, const char *path, struct error *err) {
    struct arena arena;
    struct run_record before;
    arena_init(&arena, 1 << 12, 0);
    enum status status = run_record_load(&before, path, &arena, err);
    if (status == STATUS_OK) {
        snprintf(run->times[0], RUN_TIME_BYTES, "%s", before.started ? before.started : "");
        run->record.started = run->times[0];
        run->record.step = before.step;
    }
    arena_destroy(&arena);
    return status;
}

static enum status open_locked(struct run_folder *run, const struct run_start *start,
                               struct error *err) {
    char path[PATH_BYTES];
    TRY(path_join(path, run->path, RECORD, err));
    bool has_run = access(path, F_OK) == 0;
    if (has_run && start->resume) {
        TRY(folder_remove_unfinished(run->path, err));
        TRY(remember(run, path, err));
    }
    return begin(run, start, has_run, err);
}

enum status run_folder_open(struct run_folder *run, const struct run_start *start,
                            struct error *err) {
    *run = (struct run_folder){.lock = -1};
    if (snprintf(run->path, sizeof run->path, "%s", start->path) >= PATH_BYTES)
        return error_set(err, STATUS_CANNOT_WRITE, "%.64s...: the path is too long", start->path);
    if (gethostname(run->host, sizeof run->host - 1) != 0) snprintf(run->host, 2, "?");
    if (start->resume && access(run->path, F_OK) != 0)
        return error_set(err, STATUS_USAGE, "%s: there is no run to resume: %s", run->path,
                         strerror(errno));
    TRY(folder_make(run->path, err));
    enum status status = folder_lock(&run->lock, run->path, "training", err);
    if (status == STATUS_OK) status = open_locked(run, start, err);
    if (status != STATUS_OK) folder_unlock(&run->lock, run->path);
    return status;
}

enum status run_folder_save_config(const struct run_folder *run, const struct options *options,
                                   struct error *err) {
    char path[PATH_BYTES];
    struct output out;
    struct json_writer w;
    TRY(path_join(path, run->path, CONFIG, err));
    TRY(output_open_file(&out, path, err));
    json_writer_init(&w, &out, 2);
    options_write_json(options, &w);
    output_text(&out, "\n");
    return output_commit(&out, err);
}

enum status run_folder_progress(struct run_folder *run, int64_t step, struct error *err) {
    CHECK(run->lock >= 0);
    run->record.step = step;
    return save(run, err);
}

enum status run_folder_end(struct run_folder *run, enum run_state state, const char *message,
                           struct error *err) {
    CHECK(run->lock >= 0 && state != RUN_RUNNING && state != RUN_KILLED);
    run->record.state = state;
    run->record.message = message;
    run->record.ended = write_time(run->times[2]);
    enum status status = save(run, err);
    folder_unlock(&run->lock, run->path);
    return status;
}

// ---- Reading ----

enum status run_folder_read(struct run_record *record, const char *path, struct arena *arena,
                            struct error *err) {
    char file[PATH_BYTES];
    TRY(path_join(file, path, RECORD, err));
    TRY(run_record_load(record, file, arena, err));
    if (record->state != RUN_RUNNING || folder_is_locked(path)) return STATUS_OK;
    // It may have ended since: who ends says so first and gives up the lock then.
    TRY(run_record_load(record, file, arena, err));
    if (record->state == RUN_RUNNING) record->state = RUN_KILLED;
    return STATUS_OK;
}
