#include "train/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output.h"

enum status path_join(char path[PATH_BYTES], const char *folder, const char *name,
                      struct error *err) {
    if (snprintf(path, PATH_BYTES, "%s/%s", folder, name) < PATH_BYTES) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%.64s...: the path is too long", folder);
}

enum status folder_make(const char *path, struct error *err) {
    char above[PATH_BYTES];
    if (snprintf(above, sizeof above, "%s", path) >= PATH_BYTES)
        return error_set(err, STATUS_CANNOT_WRITE, "%.64s...: the path is too long", path);
    for (char *end = above; end;) {
        end = strchr(end + 1, '/');
        if (end) *end = '\0';
        if (mkdir(above, 0777) != 0 && errno != EEXIST)
            return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot make the folder: %s", above,
                             strerror(errno));
        if (end) *end = '/';
    }
    return STATUS_OK;
}

enum status folder_sync(const char *path, struct error *err) {
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = descriptor >= 0 && fsync(descriptor) == 0;
    int code = errno;
    if (descriptor >= 0) close(descriptor);
    // Some file systems cannot sync a folder and say so.
    if (synced || code == EINVAL) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot sync the folder: %s", path,
                     strerror(code));
}

static bool remove_unfinished(DIR *folder) {
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        if (output_is_temporary(entry->d_name) && unlinkat(dirfd(folder), entry->d_name, 0) != 0)
            return false;
    return true;
}

enum status folder_remove_unfinished(const char *path, struct error *err) {
    DIR *folder = opendir(path);
    bool removed = folder && remove_unfinished(folder);
    int code = errno;
    if (folder) closedir(folder);
    if (removed) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot remove what is left of a run: %s", path,
                     strerror(code));
}

static bool remove_files(DIR *folder) {
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (unlinkat(dirfd(folder), entry->d_name, 0) != 0) return false;
    }
    return true;
}

enum status folder_remove(const char *path, struct error *err) {
    DIR *folder = opendir(path);
    if (!folder && errno == ENOENT) return STATUS_OK;
    bool removed = folder && remove_files(folder) && rmdir(path) == 0;
    int code = errno;
    if (folder) closedir(folder);
    if (removed) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot remove the folder: %s", path,
                     strerror(code));
}
