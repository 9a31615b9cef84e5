#include "tools/annotate_glob.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "train/folder.h"

bool glob_is_pattern(const char *text) {
    return strpbrk(text, "*?[") != NULL;
}

// A folder, and what is to match below it: a part of the pattern.
struct step {
    const char *folder; // in the arena
    const char *rest;
};

struct expansion {
    struct step *steps; // from the heap: those that are done, and those that wait
    int64_t count, capacity;
    struct arena arena;
    glob_visit *visit;
    void *context;
    size_t base; // bytes of a path before the name
    struct error *err;
};

static enum status push(struct expansion *e, const char *folder, const char *rest) {
    while (*rest == '/')
        rest++;
    TRY(array_reserve(&e->steps, &e->capacity, e->count + 1, sizeof *e->steps, e->err));
    const char *copy = arena_copy_text(&e->arena, folder, (int64_t)strlen(folder));
    if (!copy) return error_memory(e->err, "file names", (long long)strlen(folder));
    e->steps[e->count++] = (struct step){copy, rest};
    return STATUS_OK;
}

static enum status join(char path[PATH_BYTES], const char *folder, const char *entry,
                        struct error *err) {
    size_t size = strlen(folder);
    bool plain = size == 0 || folder[size - 1] == '/';
    if (snprintf(path, PATH_BYTES, "%s%s%s", folder, plain ? "" : "/", entry) < PATH_BYTES)
        return STATUS_OK;
    return error_set(err, STATUS_NO_INPUT, "%.64s...: the path is too long", folder);
}

static bool is_folder(const char *path, bool follow) {
    struct stat info;
    return (follow ? stat(path, &info) : lstat(path, &info)) == 0 && S_ISDIR(info.st_mode);
}

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

// An entry of a folder against the first part of a pattern; rest is what follows, NULL at the end.
static enum status match_entry(struct expansion *e, const char *folder, const char *entry,
                               const char *part, const char *rest) {
    char path[PATH_BYTES];
    if (fnmatch(part, entry, FNM_PERIOD) != 0) return STATUS_OK;
    TRY(join(path, folder, entry, e->err));
    if (rest) return is_folder(path, true) ? push(e, path, rest) : STATUS_OK;
    return is_file(path) ? e->visit(e->context, path, path + e->base, e->err) : STATUS_OK;
}

// A part ** goes on in each folder that is here.
static enum status match_deep(struct expansion *e, const char *folder, const char *entry,
                              const char *pattern) {
    char path[PATH_BYTES];
    if (entry[0] == '.') return STATUS_OK;
    TRY(join(path, folder, entry, e->err));
    return is_folder(path, false) ? push(e, path, pattern) : STATUS_OK;
}

static enum status match_entries(struct expansion *e, struct step step, DIR *opened) {
    char part[PATH_BYTES];
    const char *slash = strchr(step.rest, '/');
    size_t size = slash ? (size_t)(slash - step.rest) : strlen(step.rest);
    snprintf(part, sizeof part, "%.*s", (int)size, step.rest);
    bool is_deep = strcmp(part, "**") == 0;
    for (struct dirent *entry = readdir(opened); entry; entry = readdir(opened)) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (is_deep)
            TRY(match_deep(e, step.folder, name, step.rest));
        else
            TRY(match_entry(e, step.folder, name, part, slash ? slash + 1 : NULL));
    }
    return STATUS_OK;
}

static enum status take_step(struct expansion *e, struct step step) {
    // ** stands for no folder, too; at the end, for all files.
    if (strcmp(step.rest, "**") == 0) TRY(push(e, step.folder, "*"));
    if (strncmp(step.rest, "**/", 3) == 0) TRY(push(e, step.folder, step.rest + 3));
    DIR *opened = opendir(*step.folder ? step.folder : ".");
    if (!opened)
        return error_set(e->err, STATUS_NO_INPUT, "%s: cannot read the folder: %s", step.folder,
                         strerror(errno));
    enum status status = match_entries(e, step, opened);
    closedir(opened);
    return status;
}

enum status glob_expand(const char *pattern, glob_visit *visit, void *context, struct error *err) {
    char folder[PATH_BYTES];
    size_t size = strcspn(pattern, "*?["); // up to the part with the first pattern
    while (size > 0 && pattern[size - 1] != '/')
        size--;
    if (size >= PATH_BYTES || strlen(pattern) >= PATH_BYTES)
        return error_set(err, STATUS_USAGE, "%.64s...: the pattern is too long", pattern);
    snprintf(folder, sizeof folder, "%.*s", (int)size, pattern);
    struct expansion e = {.visit = visit, .context = context, .base = size, .err = err};
    arena_init(&e.arena, 1 << 14, 0);
    enum status status = push(&e, folder, pattern + size);
    for (int64_t i = 0; i < e.count && status == STATUS_OK; i++)
        status = take_step(&e, e.steps[i]);
    array_free(&e.steps);
    arena_destroy(&e.arena);
    return status;
}
