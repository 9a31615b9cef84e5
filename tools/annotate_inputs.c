#include "tools/annotate_inputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/array.h"

struct search {
    struct input_files *files;
    bool recursive;
    bool has_out; // the folder of outputs is there already
    dev_t out_device;
    ino_t out_inode;
    struct arena *arena;
};

static enum status add(struct search *search, const char *path, const char *name,
                       struct error *err) {
    struct input_files *files = search->files;
    TRY(array_reserve(&files->items, &files->capacity, files->count + 1, sizeof *files->items,
                      err));
    files->items[files->count++] = (struct input_file){path, name};
    return STATUS_OK;
}

// "folder/name", or name if folder is "".
static enum status join(const char **joined, const char *folder, const char *name,
                        struct arena *arena, struct error *err) {
    size_t size = strlen(folder) + 1 + strlen(name) + 1;
    char *text = arena_alloc(arena, (int64_t)size, 1);
    if (!text) return error_memory(err, "a file name", (long long)size);
    bool has_slash = folder[0] == '\0' || folder[strlen(folder) - 1] == '/';
    snprintf(text, size, "%s%s%s", folder, has_slash ? "" : "/", name);
    *joined = text;
    return STATUS_OK;
}

static bool is_image_name(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                   strcasecmp(dot, ".png") == 0);
}

// ---- Folders ----

static enum status cannot_read(const char *path, struct error *err) {
    return error_set(err, STATUS_NO_INPUT, "%s: cannot read the folder: %s", path, strerror(errno));
}

// The names in a folder, so that it is closed before those in it are opened.
static enum status list_folder(const char *path, struct input_files *names, struct arena *arena,
                               struct error *err) {
    DIR *folder = opendir(path);
    if (!folder) return cannot_read(path, err);
    enum status status = STATUS_OK;
    errno = 0;
    for (struct dirent *entry = readdir(folder); entry && status == STATUS_OK;
         entry = readdir(folder)) {
        if (entry->d_name[0] == '.') continue;
        const char *name = arena_copy_text(arena, entry->d_name, (int64_t)strlen(entry->d_name));
        status = name ? array_reserve(&names->items, &names->capacity, names->count + 1,
                                      sizeof *names->items, err)
                      : error_memory(err, "a file name", 0);
        if (status == STATUS_OK) names->items[names->count++] = (struct input_file){NULL, name};
        errno = 0;
    }
    if (status == STATUS_OK && errno != 0) status = cannot_read(path, err);
    closedir(folder);
    return status;
}

static enum status search_folder(struct search *search, const char *path, const char *name,
                                 struct error *err);

// A folder that may be searched, or something to be taken as a file.
static bool is_folder(const char *path, struct stat *info) {
    return stat(path, info) == 0 && S_ISDIR(info->st_mode);
}

static enum status visit(struct search *search, const char *path, const char *name,
                         struct error *err) {
    struct stat info;
    struct stat link;
    if (!is_folder(path, &info))
        return is_image_name(name) ? add(search, path, name, err) : STATUS_OK;
    bool is_link = lstat(path, &link) == 0 && S_ISLNK(link.st_mode);
    bool is_out =
        search->has_out && info.st_dev == search->out_device && info.st_ino == search->out_inode;
    if (!search->recursive || is_link || is_out) return STATUS_OK;
    return search_folder(search, path, name, err);
}

static enum status search_folder(struct search *search, const char *path, const char *name,
                                 struct error *err) {
    struct input_files entries = {0};
    enum status status = list_folder(path, &entries, search->arena, err);
    for (int64_t i = 0; i < entries.count && status == STATUS_OK; i++) {
        const char *entry_path = "";
        const char *entry_name = "";
        status = join(&entry_path, path, entries.items[i].name, search->arena, err);
        if (status == STATUS_OK)
            status = join(&entry_name, name, entries.items[i].name, search->arena, err);
        if (status == STATUS_OK) status = visit(search, entry_path, entry_name, err);
    }
    input_files_destroy(&entries);
    return status;
}

// ---- Operands ----

static enum status take_operand(struct search *search, const char *path, struct error *err) {
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set(err, STATUS_NO_INPUT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return search_folder(search, path, "", err);
    const char *slash = strrchr(path, '/');
    return add(search, path, slash ? slash + 1 : path, err);
}

static int compare_names(const void *a, const void *b) {
    const struct input_file *x = a;
    const struct input_file *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->path, y->path);
}

static enum status refuse_duplicates(const struct input_files *files, struct error *err) {
    for (int64_t i = 1; i < files->count; i++) {
        const struct input_file *a = &files->items[i - 1];
        const struct input_file *b = &files->items[i];
        if (strcmp(a->name, b->name) == 0)
            return error_set(err, STATUS_USAGE,
                             "%s and %s would both be \"%s\" in the outputs: name a folder above "
                             "both, with --recursive, or one at a time",
                             a->path, b->path, a->name);
    }
    return STATUS_OK;
}

enum status input_files_find(struct input_files *files, const char *const *operands,
                             int num_operands, bool recursive, const char *out, struct arena *arena,
                             struct error *err) {
    struct search search = {.files = files, .recursive = recursive, .arena = arena};
    struct stat info;
    *files = (struct input_files){0};
    search.has_out = stat(out, &info) == 0;
    if (search.has_out) {
        search.out_device = info.st_dev;
        search.out_inode = info.st_ino;
    }
    enum status status = STATUS_OK;
    for (int i = 0; i < num_operands && status == STATUS_OK; i++)
        status = take_operand(&search, operands[i], err);
    if (status == STATUS_OK && files->count > 0)
        qsort(files->items, (size_t)files->count, sizeof *files->items, compare_names);
    if (status == STATUS_OK) status = refuse_duplicates(files, err);
    if (status != STATUS_OK) input_files_destroy(files);
    return status;
}

void input_files_destroy(struct input_files *files) {
    array_free(&files->items);
    *files = (struct input_files){0};
}
