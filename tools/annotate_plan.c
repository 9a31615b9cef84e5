// What is to be done, given what is done already.
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_view.h"
#include "base/hash.h"
#include "tools/annotate_run.h"
#include "train/folder.h"
#include "train/folder_lock.h"

// ---- What results depend on ----

static void hash_text(char text[OPTIONS_HASH_BYTES], const struct output *out) {
    uint64_t hash = hash_bytes(HASH_START, out->data ? out->data : "", (size_t)out->size);
    snprintf(text, OPTIONS_HASH_BYTES, "%016llx", (unsigned long long)hash);
}

static void write_options(const struct annotate_run *run, const char *const *names,
                          struct output *out) {
    const struct options *values = &run->invocation->values;
    for (; *names; names++) {
        const struct option *row = options_find(values, *names);
        output_printf(out, "%s=", *names);
        options_write_value(values, row, out);
        output_text(out, "\n");
    }
}

static enum status hash_options(struct annotate_run *run, struct error *err) {
    static const char *const DETECTION[] = {
        "set", "precision", "score", "classes", "min-area", "max-dets", "tile", "overlap", NULL};
    static const char *const FILES[] = {"overlay", "crops", "html", "labelme-shapes", NULL};
    static const enum annotation_format OWN_FILES[] = {FORMAT_LABELME, FORMAT_YOLO_SEG, FORMAT_PNG};
    const struct annotate_output_options *o = &run->options->outputs;
    struct output detection;
    struct output files;
    output_open_memory(&detection);
    output_open_memory(&files);
    write_options(run, DETECTION, &detection);
    // Devices of one kind compute the same.
    if (strcmp(run->options->device, "cpu") != 0) output_text(&detection, "device=cuda\n");
    if (run->options->tune) output_text(&detection, "tune\n");
    if (run->options->exif == EXIF_IGNORE) output_text(&detection, "exif=ignore\n");
    write_options(run, FILES, &files);
    for (size_t i = 0; i < sizeof OWN_FILES / sizeof OWN_FILES[0]; i++)
        output_printf(&files, "%d", annotate_wants(o, OWN_FILES[i]));
    enum status status = output_finish(&detection, err);
    if (status == STATUS_OK) status = output_finish(&files, err);
    hash_text(run->origin.options, &detection);
    hash_text(run->origin.outputs, &files);
    output_discard(&detection);
    output_discard(&files);
    return status;
}

static enum status hash_file(char hex[SHA256_HEX_BYTES], const char *path, struct error *err) {
    enum { CHUNK_BYTES = 1 << 24 };
    struct file_view view;
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash = sha256_start();
    TRY(file_view_open(&view, path, 0, err));
    for (int64_t at = 0; at < view.size; at += CHUNK_BYTES) {
        int64_t size = view.size - at < CHUNK_BYTES ? view.size - at : CHUNK_BYTES;
        sha256_add(&hash, view.data + at, size);
        file_view_drop(&view, at, at + size);
    }
    file_view_close(&view);
    sha256_finish(&hash, digest);
    sha256_hex(digest, hex);
    return STATUS_OK;
}

enum status annotate_identify(struct annotate_run *run, struct error *err) {
    TRY(hash_options(run, err));
    if (run->remote)
        memcpy(run->origin.model, run->remote_model.sha256, sizeof run->origin.model);
    else if (annotate_leads(run))
        TRY(hash_file(run->origin.model, run->options->weights, err));
    return communicator_broadcast(run->communicator, run->origin.model, sizeof run->origin.model,
                                  err);
}

// ---- Earlier runs ----

// Whether the file is the one that the record is of. A new time alone is no change.
static bool is_same_file(const struct annotate_record *record, const char *path, bool verify) {
    struct stat info;
    char hex[SHA256_HEX_BYTES];
    if (stat(path, &info) != 0 || info.st_size != record->size) return false;
    int64_t mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    if (mtime_ns == record->mtime_ns && !verify) return true;
    return hash_file(hex, path, NULL) == STATUS_OK && strcmp(hex, record->sha256) == 0;
}

static enum plan_step step_of(const struct annotate_run *run, const struct journal_line *line,
                              const struct input_file *file, struct arena *scratch) {
    struct annotate_record record;
    const struct record_origin *origin = &run->origin;
    if (!line->text) return PLAN_DETECT;
    if (record_read(&record, line->text, line->size, "", true, NULL, scratch, NULL) != STATUS_OK)
        return PLAN_DETECT;
    bool is_current = !record.failed && strcmp(record.origin.options, origin->options) == 0 &&
                      strcmp(record.origin.model, origin->model) == 0 &&
                      is_same_file(&record, file->path, run->options->verify);
    if (!is_current) return PLAN_DETECT;
    bool has_files = strcmp(record.origin.outputs, origin->outputs) == 0 &&
                     annotate_files_exist(&run->options->outputs, file->name);
    return has_files ? PLAN_NOTHING : PLAN_FILES;
}

// Keeps what is current. Lines of the compacted manifest are then those to go on from.
static enum status plan_from_journal(struct annotate_run *run, struct error *err) {
    struct arena scratch;
    struct arena *arena = run->invocation->arena;
    const char *folder = run->options->outputs.out;
    bool *keep = arena_alloc(arena, run->files.count, sizeof *keep);
    if (!keep) return error_memory(err, "a plan", run->files.count);
    arena_init(&scratch, 1 << 14, 0);
    for (int64_t i = 0; i < run->files.count; i++) {
        struct arena_mark mark = arena_mark(&scratch);
        run->plan[i] =
            (uint8_t)step_of(run, &run->journal.lines[i], &run->files.items[i], &scratch);
        keep[i] = run->plan[i] != PLAN_DETECT;
        arena_release(&scratch, mark);
    }
    arena_destroy(&scratch);
    if (run->options->dry_run) return STATUS_OK;
    // Pictures that are gone have nothing to do in the outputs any more.
    for (int64_t i = 0; i < run->journal.num_strangers; i++)
        annotate_files_remove(&run->options->outputs, run->journal.strangers[i]);
    TRY(journal_compact(&run->journal, folder, keep, run->files.count, err));
    journal_close(&run->journal);
    return journal_load(&run->journal, folder, &run->files, arena, err);
}

static int remove_temporary(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    if (kind == FTW_F && output_is_temporary(path + at->base)) (void)unlink(path);
    return 0;
}

// Removes files that a killed run had not finished.
static enum status remove_unfinished(const char *folder, struct error *err) {
    static const char *const OWN[] = {"labelme", "yolo-seg", "png", "overlays", "crops", "thumbs"};
    char path[PATH_BYTES];
    enum { OPEN_FOLDERS = 16 };
    TRY(folder_remove_unfinished(folder, err));
    for (size_t i = 0; i < sizeof OWN / sizeof OWN[0]; i++) {
        TRY(path_join(path, folder, OWN[i], err));
        (void)nftw(path, remove_temporary, OPEN_FOLDERS, FTW_PHYS);
    }
    return STATUS_OK;
}

static enum status decide(struct annotate_run *run, struct error *err) {
    const struct annotate_options *o = run->options;
    const char *folder = o->outputs.out;
    struct stat info;
    bool exists = stat(folder, &info) == 0;
    memset(run->plan, PLAN_DETECT, (size_t)run->files.count);
    if (!o->dry_run) TRY(folder_make(folder, err));
    if (!o->dry_run) TRY(folder_lock(&run->lock, folder, "run", err));
    TRY(journal_load(&run->journal, folder, &run->files, run->invocation->arena, err));
    if (run->journal.has_journals && !o->resume && !o->force && !o->dry_run)
        return error_set(err, STATUS_USAGE,
                         "%s holds a run that was ended before its time: --resume goes on with it, "
                         "--force starts anew",
                         folder);
    if (exists && !o->dry_run) TRY(remove_unfinished(folder, err));
    if (o->resume) return plan_from_journal(run, err);
    return o->dry_run ? STATUS_OK : journal_remove(folder, err);
}

// ---- Everybody's plan ----

// Where the lines of files with PLAN_FILES are in the manifest, which all processes can read.
static enum status share_lines(struct annotate_run *run, struct error *err) {
    if (communicator_size(run->communicator) > 1 && !annotate_leads(run))
        TRY(journal_load(&run->journal, run->options->outputs.out, &run->files,
                         run->invocation->arena, err));
    run->lines = run->journal.lines;
    return STATUS_OK;
}

enum status annotate_plan(struct annotate_run *run, struct error *err) {
    run->plan = arena_alloc(run->invocation->arena, run->files.count, 1);
    if (!run->plan) return error_memory(err, "a plan", run->files.count);
    if (annotate_leads(run)) TRY(decide(run, err));
    TRY(communicator_broadcast(run->communicator, run->plan, run->files.count, err));
    for (int64_t i = 0; i < run->files.count; i++)
        run->num_to_do += run->plan[i] != PLAN_NOTHING;
    return share_lines(run, err);
}
