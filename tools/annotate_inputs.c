#include "tools/annotate_inputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/file_view.h"
#include "tools/annotate_glob.h"

struct search {
    struct input_files *files;
    struct input_files folders; // that are searched, and those that wait
    const struct input_search *how;
    bool has_out; // the folder of outputs is there already
    dev_t out_device;
    ino_t out_inode;
    struct arena *arena;
};

static enum status add(struct input_files *files, const char *path, const char *name,
                       struct error *err) {
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

static bool has_extension(const char *name, const struct option_texts *extensions) {
    size_t size = strlen(name);
    for (int64_t i = 0; i < extensions->count; i++) {
        const char *extension = extensions->items[i];
        if (*extension == '.') extension++;
        size_t length = strlen(extension);
        if (size > length + 1 && name[size - length - 1] == '.' &&
            strcasecmp(name + size - length, extension) == 0)
            return true;
    }
    return false;
}

// ---- Folders ----

static enum status cannot_read(const char *path, struct error *err) {
    return error_set(err, STATUS_NO_INPUT, "%s: cannot read the folder: %s", path, strerror(errno));
}

// Something in a folder: one more file, one more folder to search, or nothing of interest.
static enum status visit(struct search *search, const char *path, const char *name,
                         struct error *err) {
    struct stat info;
    struct stat link;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return has_extension(name, search->how->extensions) ? add(search->files, path, name, err)
                                                            : STATUS_OK;
    bool is_link = lstat(path, &link) == 0 && S_ISLNK(link.st_mode);
    bool is_out =
        search->has_out && info.st_dev == search->out_device && info.st_ino == search->out_inode;
    if (!search->how->recursive || is_link || is_out) return STATUS_OK;
    return add(&search->folders, path, name, err);
}

static enum status visit_entries(struct search *search, DIR *folder, const char *path,
                                 const char *name, struct error *err) {
    errno = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        const char *entry_path = "";
        const char *entry_name = "";
        if (entry->d_name[0] != '.') {
            TRY(join(&entry_path, path, entry->d_name, search->arena, err));
            TRY(join(&entry_name, name, entry->d_name, search->arena, err));
            TRY(visit(search, entry_path, entry_name, err));
        }
        errno = 0;
    }
    return errno == 0 ? STATUS_OK : cannot_read(path, err);
}

// Searches a folder and those that are found in it, one after the other.
static enum status search_folder(struct search *search, const char *path, struct error *err) {
    enum status status = add(&search->folders, path, "", err);
    for (int64_t i = 0; i < search->folders.count && status == STATUS_OK; i++) {
        const struct input_file at = search->folders.items[i];
        DIR *folder = opendir(at.path);
        if (!folder) return cannot_read(at.path, err);
        status = visit_entries(search, folder, at.path, at.name, err);
        closedir(folder);
    }
    search->folders.count = 0;
    return status;
}

// ---- Lists ----

// What a path is called in the outputs: without what leads to the root or out of a folder.
static const char *name_of_path(const char *path) {
    for (;;) {
        if (*path == '/')
            path++;
        else if (strncmp(path, "./", 2) == 0)
            path += 2;
        else if (strncmp(path, "../", 3) == 0)
            path += 3;
        else
            return path;
    }
}

// A name with ".." inside would lead somewhere else than it says.
static bool climbs(const char *name) {
    const char *inside = strstr(name, "/..");
    return inside && (inside[3] == '/' || inside[3] == '\0');
}

// Paths separated by NUL if there is one, and otherwise by newlines. Files that are missing are
// found later, and recorded like damaged ones.
static enum status take_list(struct search *search, const char *text, int64_t size,
                             const char *list, struct error *err) {
    if (size == 0) return STATUS_OK;
    const char *end = text + size;
    char separator = memchr(text, '\0', (size_t)size) ? '\0' : '\n';
    for (const char *at = text; at < end;) {
        const char *stop = memchr(at, separator, (size_t)(end - at));
        if (!stop) stop = end;
        int64_t length = stop - at;
        if (separator == '\n' && length > 0 && at[length - 1] == '\r') length--;
        if (length > 0) {
            const char *path = arena_copy_text(search->arena, at, length);
            if (!path) return error_memory(err, "file names", length);
            if (climbs(name_of_path(path)))
                return error_set(err, STATUS_USAGE, "%s: %s: a path with .. inside", list, path);
            TRY(add(search->files, path, name_of_path(path), err));
        }
        at = stop + 1;
    }
    return STATUS_OK;
}

static enum status take_list_file(struct search *search, const char *path, struct error *err) {
    struct file_view view;
    TRY(file_view_open(&view, path, 0, err));
    enum status status = take_list(search, view.data, view.size, path, err);
    file_view_close(&view);
    return status;
}

static enum status take_standard_input(struct search *search, struct error *err) {
    enum { CHUNK_BYTES = 1 << 16 };
    char *text = NULL;
    int64_t size = 0;
    int64_t capacity = 0;
    enum status status = STATUS_OK;
    for (size_t got = 1; got > 0 && status == STATUS_OK; size += (int64_t)got) {
        got = 0;
        status = array_reserve(&text, &capacity, size + CHUNK_BYTES, 1, err);
        if (status == STATUS_OK) got = fread(text + size, 1, CHUNK_BYTES, stdin);
    }
    if (status == STATUS_OK && ferror(stdin))
        status = error_set(err, STATUS_NO_INPUT, "standard input cannot be read");
    if (status == STATUS_OK) status = take_list(search, text, size, "standard input", err);
    array_free(&text);
    return status;
}

// ---- Operands ----

static enum status copy(const char **text, const char *from, struct arena *arena,
                        struct error *err) {
    *text = arena_copy_text(arena, from, (int64_t)strlen(from));
    return *text ? STATUS_OK : error_memory(err, "file names", (long long)strlen(from));
}

static enum status take_match(void *context, const char *path, const char *name,
                              struct error *err) {
    struct search *search = context;
    struct input_file file = {0};
    TRY(copy(&file.path, path, search->arena, err));
    TRY(copy(&file.name, name, search->arena, err));
    return add(search->files, file.path, file.name, err);
}

static enum status take_pattern(struct search *search, const char *pattern, struct error *err) {
    int64_t count = search->files->count;
    TRY(glob_expand(pattern, take_match, search, err));
    if (search->files->count > count) return STATUS_OK;
    return error_set(err, STATUS_NO_INPUT, "%s: matches no file", pattern);
}

static enum status take_operand(struct search *search, const char *path, struct error *err) {
    struct stat info;
    if (strcmp(path, "-") == 0) return take_standard_input(search, err);
    if (stat(path, &info) != 0) {
        int code = errno;
        if (path[0] == '@') return take_list_file(search, path + 1, err);
        if (glob_is_pattern(path)) return take_pattern(search, path, err);
        return error_set(err, STATUS_NO_INPUT, "%s: %s", path, strerror(code));
    }
    if (S_ISDIR(info.st_mode)) return search_folder(search, path, err);
    const char *slash = strrchr(path, '/');
    return add(search->files, path, slash ? slash + 1 : path, err);
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
                             int num_operands, const struct input_search *how, struct arena *arena,
                             struct error *err) {
    struct search search = {.files = files, .how = how, .arena = arena};
    struct stat info;
    *files = (struct input_files){0};
    search.has_out = stat(how->out, &info) == 0;
    if (search.has_out) {
        search.out_device = info.st_dev;
        search.out_inode = info.st_ino;
    }
    enum status status = STATUS_OK;
    for (int i = 0; i < num_operands && status == STATUS_OK; i++)
        status = take_operand(&search, operands[i], err);
    input_files_destroy(&search.folders);
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
