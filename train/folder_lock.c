#include "train/folder_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/folder.h"

static const char *const NAME = ".lock";

// Names whoever holds the lock, as they wrote it there.
static enum status refuse(int lock, const char *folder, const char *what, struct error *err) {
    char holder[128] = "";
    ssize_t size = pread(lock, holder, sizeof holder - 1, 0);
    if (size > 0) holder[strcspn(holder, "\n")] = '\0';
    return error_set(err, STATUS_USAGE, "%s: another %s writes in this folder (%s)", folder, what,
                     holder[0] ? holder : "it has just begun");
}

// Whoever held the lock may have removed the file since it was opened here.
static bool is_in_place(int lock, const char *path) {
    struct stat opened;
    struct stat named;
    return fstat(lock, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

static void sign(int lock) {
    char host[HOST_NAME_MAX + 1] = "";
    if (gethostname(host, sizeof host - 1) != 0) snprintf(host, sizeof host, "?");
    if (ftruncate(lock, 0) == 0) dprintf(lock, "process %lld on %s\n", (long long)getpid(), host);
}

// Locks of open files, and not of processes: they can be asked for without being taken.
enum status folder_lock(int *lock, const char *folder, const char *what, struct error *err) {
    char path[PATH_BYTES];
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    *lock = -1;
    TRY(path_join(path, folder, NAME, err));
    for (;;) {
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0)
            return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot write: %s", path,
                             strerror(errno));
        if (fcntl(file, F_OFD_SETLK, &all) != 0) {
            bool is_held = errno == EAGAIN || errno == EACCES;
            enum status status = is_held ? refuse(file, folder, what, err)
                                         : error_set(err, STATUS_CANNOT_WRITE,
                                                     "%s: cannot lock: %s", path, strerror(errno));
            close(file);
            return status;
        }
        if (is_in_place(file, path)) {
            sign(file);
            *lock = file;
            return STATUS_OK;
        }
        close(file);
    }
}

void folder_unlock(int *lock, const char *folder) {
    char path[PATH_BYTES];
    if (*lock < 0) return;
    if (path_join(path, folder, NAME, NULL) == STATUS_OK && is_in_place(*lock, path))
        (void)unlink(path);
    close(*lock);
    *lock = -1;
}

bool folder_is_locked(const char *folder) {
    char path[PATH_BYTES];
    struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    if (path_join(path, folder, NAME, NULL) != STATUS_OK) return false;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    bool locked = fcntl(file, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;
    close(file);
    return locked;
}
