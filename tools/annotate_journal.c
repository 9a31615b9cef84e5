#include "tools/annotate_journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file_view.h"
#include "base/utf8.h"
#include "tools/annotate_record.h"
#include "train/folder.h"

static const char *const MANIFEST = "manifest.jsonl";
static const double SYNC_SECONDS = 5;

enum status journal_path(const char **path, const char *name, struct arena *arena,
                         struct error *err) {
    struct output text;
    output_open_memory(&text);
    const char *end = name + strlen(name);
    for (const char *at = name; at < end;) {
        int length = utf8_length(at, end);
        if (length > 0)
            output_write(&text, at, length);
        else
            output_printf(&text, "\\x%02x", (unsigned)(unsigned char)*at);
        at += length > 0 ? length : 1;
    }
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK) {
        *path = arena_copy_text(arena, text.data ? text.data : "", text.size);
        if (!*path) status = error_memory(err, "file names", text.size);
    }
    output_discard(&text);
    return status;
}

// ---- Which file a line is of ----

struct place {
    const char *path;
    int64_t file;
};

struct places {
    struct place *items; // sorted by path
    int64_t count;
};

static int compare_places(const void *a, const void *b) {
    return strcmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

static enum status make_places(struct places *places, const struct input_files *files,
                               struct arena *arena, struct error *err) {
    places->count = files->count;
    places->items = arena_alloc(arena, files->count, sizeof *places->items);
    if (!places->items) return error_memory(err, "file names", 16 * files->count);
    for (int64_t i = 0; i < files->count; i++) {
        places->items[i].file = i;
        TRY(journal_path(&places->items[i].path, files->items[i].name, arena, err));
    }
    if (places->count > 0)
        qsort(places->items, (size_t)places->count, sizeof *places->items, compare_places);
    return STATUS_OK;
}

static enum status add_stranger(struct journal *journal, const char *path, struct arena *arena,
                                struct error *err) {
    TRY(array_reserve(&journal->strangers, &journal->stranger_capacity, journal->num_strangers + 1,
                      sizeof *journal->strangers, err));
    const char *copy = arena_copy_text(arena, path, (int64_t)strlen(path));
    if (!copy) return error_memory(err, "file names", (long long)strlen(path));
    journal->strangers[journal->num_strangers++] = copy;
    return STATUS_OK;
}

static enum status take_line(struct journal *journal, const struct places *places, const char *text,
                             int64_t size, struct arena *arena, struct arena *scratch,
                             struct error *err) {
    struct annotate_record record;
    if (record_read(&record, text, size, "", true, NULL, scratch, NULL) != STATUS_OK)
        return STATUS_OK;
    const struct place wanted = {.path = record.path};
    const struct place *found = NULL;
    if (places->count > 0)
        found =
            bsearch(&wanted, places->items, (size_t)places->count, sizeof wanted, compare_places);
    if (!found) return add_stranger(journal, record.path, arena, err);
    journal->lines[found->file] = (struct journal_line){text, size};
    return STATUS_OK;
}

static enum status take_lines(struct journal *journal, const struct places *places,
                              const struct file_view *view, struct arena *arena,
                              struct error *err) {
    struct arena scratch;
    enum status status = STATUS_OK;
    if (view->size == 0) return STATUS_OK;
    const char *end = view->data + view->size;
    arena_init(&scratch, 1 << 14, 0);
    for (const char *line = view->data; line < end && status == STATUS_OK;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline) break; // a part, of a process that was killed
        struct arena_mark mark = arena_mark(&scratch);
        status = take_line(journal, places, line, newline - line, arena, &scratch, err);
        arena_release(&scratch, mark);
        line = newline + 1;
    }
    arena_destroy(&scratch);
    return status;
}

// ---- Reading ----

static bool is_journal(const char *name) {
    size_t size = strlen(name);
    return strncmp(name, "journal-", 8) == 0 && size > 14 && strcmp(name + size - 6, ".jsonl") == 0;
}

static enum status read_file(struct journal *journal, const struct places *places,
                             const char *folder, const char *name, struct arena *arena,
                             struct error *err) {
    char path[PATH_BYTES];
    TRY(path_join(path, folder, name, err));
    TRY(array_reserve(&journal->views, &journal->view_capacity, journal->num_views + 1,
                      sizeof *journal->views, err));
    struct file_view *view = &journal->views[journal->num_views];
    TRY(file_view_open(view, path, 0, err));
    journal->num_views++;
    return take_lines(journal, places, view, arena, err);
}

enum status journal_load(struct journal *journal, const char *folder,
                         const struct input_files *files, struct arena *arena, struct error *err) {
    char path[PATH_BYTES];
    struct places places = {0};
    *journal =
        (struct journal){.lines = arena_alloc_zero(arena, files->count, sizeof *journal->lines)};
    if (!journal->lines) return error_memory(err, "a manifest", 16 * files->count);
    DIR *opened = opendir(folder);
    if (!opened) return STATUS_OK; // nothing was ever written there
    enum status status = make_places(&places, files, arena, err);
    if (status == STATUS_OK) status = path_join(path, folder, MANIFEST, err);
    if (status == STATUS_OK && access(path, F_OK) == 0)
        status = read_file(journal, &places, folder, MANIFEST, arena, err);
    for (struct dirent *e = readdir(opened); e && status == STATUS_OK; e = readdir(opened)) {
        if (!is_journal(e->d_name)) continue;
        journal->has_journals = true;
        status = read_file(journal, &places, folder, e->d_name, arena, err);
    }
    closedir(opened);
    return status;
}

void journal_close(struct journal *journal) {
    for (int64_t i = 0; i < journal->num_views; i++)
        file_view_close(&journal->views[i]);
    array_free(&journal->views);
    array_free(&journal->strangers);
    *journal = (struct journal){0};
}

// ---- Compacting ----

static enum status remove_files(const char *folder, bool manifest_too, struct error *err) {
    DIR *opened = opendir(folder);
    if (!opened) return STATUS_OK;
    enum status status = STATUS_OK;
    for (struct dirent *e = readdir(opened); e && status == STATUS_OK; e = readdir(opened)) {
        bool goes = is_journal(e->d_name) || (manifest_too && strcmp(e->d_name, MANIFEST) == 0);
        if (goes && unlinkat(dirfd(opened), e->d_name, 0) != 0)
            status = error_set(err, STATUS_CANNOT_WRITE, "%s/%s: cannot remove: %s", folder,
                               e->d_name, strerror(errno));
    }
    closedir(opened);
    return status;
}

enum status journal_compact(const struct journal *journal, const char *folder, const bool *keep,
                            int64_t num_files, struct error *err) {
    char path[PATH_BYTES];
    struct output out;
    TRY(path_join(path, folder, MANIFEST, err));
    TRY(output_open_file(&out, path, err));
    for (int64_t i = 0; i < num_files; i++) {
        const struct journal_line *line = &journal->lines[i];
        if (!line->text || (keep && !keep[i])) continue;
        output_write(&out, line->text, line->size);
        output_text(&out, "\n");
    }
    TRY(output_commit(&out, err));
    return remove_files(folder, false, err);
}

enum status journal_remove(const char *folder, struct error *err) {
    return remove_files(folder, true, err);
}

// ---- Writing ----

static enum status path_of(char path[PATH_BYTES], const char *folder, int rank, struct error *err) {
    char name[32];
    snprintf(name, sizeof name, "journal-%d.jsonl", rank);
    return path_join(path, folder, name, err);
}

int64_t journal_count(const char *folder, int rank, int64_t *counted) {
    char path[PATH_BYTES];
    char bytes[1 << 14];
    int64_t count = 0;
    ssize_t size = 0;
    if (path_of(path, folder, rank, NULL) != STATUS_OK) return 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return 0;
    while ((size = pread(descriptor, bytes, sizeof bytes, *counted)) > 0) {
        for (ssize_t i = 0; i < size; i++)
            count += bytes[i] == '\n';
        *counted += size;
    }
    close(descriptor);
    return count;
}

enum status journal_open(struct journal_writer *writer, const char *folder, int rank,
                         struct error *err) {
    *writer = (struct journal_writer){.descriptor = -1};
    TRY(path_of(writer->path, folder, rank, err));
    writer->descriptor =
        open(writer->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    writer->last_sync = clock_seconds();
    if (writer->descriptor >= 0) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot write: %s", writer->path,
                     strerror(errno));
}

static enum status cannot_write(const struct journal_writer *writer, struct error *err) {
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot write: %s", writer->path,
                     strerror(errno));
}

// The files of the pictures, which were not synced one by one, and the lines.
static bool sync_all(const struct journal_writer *writer) {
    return syncfs(writer->descriptor) == 0 && fdatasync(writer->descriptor) == 0;
}

enum status journal_append(struct journal_writer *writer, const char *text, int64_t size,
                           struct error *err) {
    while (size > 0) {
        ssize_t written = write(writer->descriptor, text, (size_t)size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return cannot_write(writer, err);
        text += written;
        size -= written;
    }
    double now = clock_seconds();
    if (now - writer->last_sync < SYNC_SECONDS) return STATUS_OK;
    writer->last_sync = now;
    return sync_all(writer) ? STATUS_OK : cannot_write(writer, err);
}

enum status journal_end(struct journal_writer *writer, struct error *err) {
    if (writer->descriptor < 0) return STATUS_OK;
    bool closed = sync_all(writer);
    closed &= close(writer->descriptor) == 0;
    writer->descriptor = -1;
    return closed ? STATUS_OK : cannot_write(writer, err);
}
