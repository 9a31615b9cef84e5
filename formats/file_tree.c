#include "formats/file_tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"

struct search {
    const char *folder;
    const char *suffix;
    const char **files;
    int64_t num_files, file_capacity;
    const char **folders; // below, "" at first; those before the one at hand are done
    int64_t num_folders, folder_capacity;
    struct arena *arena;
    struct error *err;
};

static bool ends_with(const char *text, const char *suffix) {
    size_t size = strlen(text);
    size_t suffix_size = strlen(suffix);
    return size > suffix_size && strcmp(text + size - suffix_size, suffix) == 0;
}

static enum status push(const char ***names, int64_t *count, int64_t *capacity, const char *name,
                        struct search *search) {
    TRY(array_reserve(names, capacity, *count + 1, sizeof **names, search->err));
    (*names)[*count] = arena_copy_text(search->arena, name, (int64_t)strlen(name));
    if (!(*names)[*count]) return error_memory(search->err, "file names", *count);
    ++*count;
    return STATUS_OK;
}

static enum status visit(struct search *search, const char *below, const char *entry) {
    char name[FILE_TREE_PATH_BYTES];
    char path[FILE_TREE_PATH_BYTES];
    struct stat info;
    int size = snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", entry);
    if (size >= FILE_TREE_PATH_BYTES)
        return error_set(search->err, STATUS_NO_INPUT, "%.64s...: the path is too long", name);
    TRY(file_tree_path(path, search->folder, name, "", "", search->err));
    if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return push(&search->folders, &search->num_folders, &search->folder_capacity, name, search);
    if (!ends_with(entry, search->suffix)) return STATUS_OK;
    return push(&search->files, &search->num_files, &search->file_capacity, name, search);
}

static enum status search_folder(struct search *search, const char *below) {
    char path[FILE_TREE_PATH_BYTES];
    TRY(file_tree_path(path, search->folder, below, "", "", search->err));
    DIR *folder = opendir(path);
    if (!folder)
        return error_set(search->err, STATUS_NO_INPUT, "%s: cannot read the folder: %s", path,
                         strerror(errno));
    enum status status = STATUS_OK;
    for (struct dirent *e = readdir(folder); e && status == STATUS_OK; e = readdir(folder))
        if (e->d_name[0] != '.') status = visit(search, below, e->d_name);
    closedir(folder);
    return status;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum status file_tree_find(struct file_tree *tree, const char *folder, const char *suffix,
                           struct arena *arena, struct error *err) {
    struct search s = {.folder = folder, .suffix = suffix, .arena = arena, .err = err};
    *tree = (struct file_tree){0};
    enum status status = push(&s.folders, &s.num_folders, &s.folder_capacity, "", &s);
    for (int64_t i = 0; i < s.num_folders && status == STATUS_OK; i++)
        status = search_folder(&s, s.folders[i]);
    if (status == STATUS_OK) {
        if (s.num_files > 0) qsort(s.files, (size_t)s.num_files, sizeof *s.files, compare_names);
        tree->count = s.num_files;
        tree->names = arena_alloc(arena, s.num_files, sizeof *tree->names);
        if (tree->names && s.num_files > 0)
            memcpy(tree->names, s.files, (size_t)s.num_files * sizeof *s.files);
        if (!tree->names) status = error_memory(err, "file names", s.num_files);
    }
    array_free(&s.files);
    array_free(&s.folders);
    return status;
}

enum status file_tree_path(char path[FILE_TREE_PATH_BYTES], const char *folder, const char *name,
                           const char *suffix, const char *replacement, struct error *err) {
    size_t keep = strlen(name) - (ends_with(name, suffix) ? strlen(suffix) : 0);
    int size = snprintf(path, FILE_TREE_PATH_BYTES, "%s%s%.*s%s", folder, *name ? "/" : "",
                        (int)keep, name, replacement);
    if (size < FILE_TREE_PATH_BYTES) return STATUS_OK;
    return error_set(err, STATUS_NO_INPUT, "%.64s...: the path is too long", path);
}
