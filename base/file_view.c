#include "base/file_view.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

static int64_t modified_at(const struct stat *info) {
    return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
}

static enum status map_descriptor(struct file_view *view, int descriptor, const char *path,
                                  int64_t max_bytes, struct error *err) {
    struct stat info;
    if (fstat(descriptor, &info) != 0)
        return error_set(err, STATUS_NO_INPUT, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return error_set(err, STATUS_NO_INPUT, "%s: not a regular file", path);
    if (max_bytes && info.st_size > max_bytes)
        return error_set(err, STATUS_DATA, "%s: %lld bytes, more than the limit of %lld", path,
                         (long long)info.st_size, (long long)max_bytes);
    if (info.st_size == 0) return STATUS_OK;
    void *mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapped == MAP_FAILED)
        return error_set(err, errno == ENOMEM ? STATUS_MEMORY : STATUS_NO_INPUT,
                         "%s: cannot map: %s", path, strerror(errno));
    (void)madvise(mapped, (size_t)info.st_size, MADV_SEQUENTIAL);
    *view = (struct file_view){mapped, info.st_size, descriptor, modified_at(&info)};
    return STATUS_OK;
}

enum status file_view_open(struct file_view *view, const char *path, int64_t max_bytes,
                           struct error *err) {
    *view = (struct file_view){0};
    // O_NONBLOCK: opening a FIFO without a writer must not hang before fstat can refuse it.
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return error_set(err, STATUS_NO_INPUT, "%s: %s", path, strerror(errno));
    enum status status = map_descriptor(view, descriptor, path, max_bytes, err);
    if (!view->data) close(descriptor);
    return status;
}

void file_view_drop(const struct file_view *view, int64_t begin, int64_t end) {
    CHECK(begin >= 0 && begin <= end && end <= view->size);
    int64_t page = sysconf(_SC_PAGESIZE);
    begin = (begin + page - 1) / page * page;
    end = end / page * page;
    if (begin < end)
        (void)madvise((char *)view->data + begin, (size_t)(end - begin), MADV_DONTNEED);
}

bool file_view_changed(const struct file_view *view) {
    struct stat info;
    if (!view->data) return false;
    return fstat(view->descriptor, &info) != 0 || info.st_size != view->size ||
           modified_at(&info) != view->modified;
}

void file_view_close(struct file_view *view) {
    if (view->data) {
        munmap((void *)view->data, (size_t)view->size);
        close(view->descriptor);
    }
    *view = (struct file_view){0};
}
