#include "train/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

static enum status fail(const struct append_file *file, struct error *err) {
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot write: %s", file->path, strerror(errno));
}

enum status append_file_open(struct append_file *file, const char *path, bool is_new,
                             struct error *err) {
    *file = (struct append_file){.descriptor = -1};
    if (snprintf(file->path, sizeof file->path, "%s", path) >= PATH_BYTES)
        return error_set(err, STATUS_CANNOT_WRITE, "%.64s...: the path is too long", path);
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (is_new ? O_EXCL : 0);
    struct stat info;
    file->descriptor = open(path, flags, 0666);
    if (file->descriptor < 0 || fstat(file->descriptor, &info) != 0) {
        enum status status = fail(file, err);
        append_file_close(file);
        return status;
    }
    file->size = info.st_size;
    return STATUS_OK;
}

// All of the bytes, whatever a signal or a slow device cuts them into.
static bool write_all(int descriptor, const char *bytes, int64_t size) {
    for (int64_t written = 0; written < size;) {
        ssize_t count = write(descriptor, bytes + written, (size_t)(size - written));
        if (count < 0 && errno != EINTR) return false;
        if (count > 0) written += count;
    }
    return true;
}

enum status append_file_write(struct append_file *file, const void *bytes, int64_t size,
                              struct error *err) {
    CHECK(file->descriptor >= 0);
    if (file->torn) TRY(append_file_cut(file, file->size, err));
    if (!write_all(file->descriptor, bytes, size)) {
        enum status status = fail(file, err);
        file->torn = ftruncate(file->descriptor, file->size) != 0;
        return status;
    }
    file->size += size;
    return STATUS_OK;
}

enum status append_file_cut(struct append_file *file, int64_t size, struct error *err) {
    CHECK(file->descriptor >= 0 && size >= 0 && size <= file->size);
    if (ftruncate(file->descriptor, size) != 0) return fail(file, err);
    file->size = size;
    file->torn = false;
    return STATUS_OK;
}

enum status append_file_sync(struct append_file *file, struct error *err) {
    CHECK(file->descriptor >= 0);
    return fsync(file->descriptor) == 0 ? STATUS_OK : fail(file, err);
}

static bool read_all(int descriptor, struct output *content) {
    char piece[1 << 14];
    for (;;) {
        ssize_t count = read(descriptor, piece, sizeof piece);
        if (count == 0) return true;
        if (count > 0)
            output_write(content, piece, count);
        else if (errno != EINTR)
            return false;
    }
}

enum status append_file_read(const char *path, struct output *content, struct error *err) {
    output_open_memory(content);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    bool complete = descriptor >= 0 && read_all(descriptor, content);
    int code = errno;
    if (descriptor >= 0) close(descriptor);
    enum status status = output_finish(content, err);
    if (!complete) status = error_set(err, STATUS_NO_INPUT, "%s: %s", path, strerror(code));
    if (status != STATUS_OK) output_discard(content);
    return status;
}

void append_file_close(struct append_file *file) {
    // A zeroed file has no path, and its descriptor is not its own.
    if (file->path[0] && file->descriptor >= 0) close(file->descriptor);
    file->descriptor = -1;
}
