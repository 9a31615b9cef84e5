#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/check.h"

enum { FLUSH_BYTES = 1 << 16 };

void output_open_memory(struct output *out) {
    *out = (struct output){.kind = OUTPUT_MEMORY, .descriptor = -1};
}

void output_open_descriptor(struct output *out, int descriptor) {
    *out = (struct output){.kind = OUTPUT_DESCRIPTOR, .descriptor = descriptor};
}

// The name to write at: where path leads to if it is a link, which stays one. What is there already
// must be a regular file, since renaming over a device or a pipe would destroy it.
static char *writable_path(const char *path, struct error *err) {
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        (void)error_set(err, STATUS_CANNOT_WRITE, "%s: cannot write: not a regular file", path);
        return NULL;
    }
    bool link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
    char *target = link ? realpath(path, NULL) : NULL;
    if (!target) target = strdup(path);
    if (!target) (void)error_memory(err, "a file name", (long long)strlen(path));
    return target;
}

// Makes a file of a new name beside out->path; a negative number if it cannot. (mkostemp would make
// one that only its owner may read, and the umask, which says what an output gets instead, cannot
// be read without changing it under the feet of other threads.)
static int create_temporary(struct output *out, size_t name_bytes) {
    enum { ATTEMPTS = 100 };
    uint32_t number = 0;
    (void)!getrandom(&number, sizeof number, GRND_NONBLOCK);
    for (uint32_t i = 0; i < ATTEMPTS; i++) {
        snprintf(out->temporary, name_bytes, "%s.tmp.%08x", out->path, number + i);
        int descriptor = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
    return -1;
}

bool output_is_temporary(const char *name) {
    static const char MIDDLE[] = ".tmp.";
    enum { DIGITS = 8 };
    size_t size = strlen(name);
    if (size < sizeof MIDDLE - 1 + DIGITS) return false;
    const char *digits = name + size - DIGITS;
    return strspn(digits, "0123456789abcdef") == DIGITS &&
           strncmp(digits - (sizeof MIDDLE - 1), MIDDLE, sizeof MIDDLE - 1) == 0;
}

enum status output_open_file(struct output *out, const char *path, struct error *err) {
    struct error failure = {0};
    *out = (struct output){.kind = OUTPUT_FILE, .descriptor = -1};
    out->path = writable_path(path, &failure);
    if (!out->path) return error_set(err, failure.code, "%s", failure.message);
    size_t size = strlen(out->path) + sizeof ".tmp.01234567";
    out->temporary = malloc(size);
    if (!out->temporary) {
        output_discard(out);
        return error_memory(err, "a file name", (long long)size);
    }
    out->descriptor = create_temporary(out, size);
    if (out->descriptor < 0) {
        enum status status =
            error_set(err, STATUS_CANNOT_WRITE, "%s: cannot write: %s", path, strerror(errno));
        free(out->temporary);
        out->temporary = NULL; // nothing was created that discard could remove
        output_discard(out);
        return status;
    }
    return STATUS_OK;
}

static void fail(struct output *out) {
    if (out->failure.code != STATUS_OK) return;
    const char *name = out->path ? out->path : "output";
    (void)error_set(&out->failure, STATUS_CANNOT_WRITE, "%s: cannot write: %s", name,
                    strerror(errno));
}

static void flush(struct output *out) {
    if (out->kind == OUTPUT_MEMORY) return;
    for (int64_t written = 0; written < out->size && out->failure.code == STATUS_OK;) {
        ssize_t count = write(out->descriptor, out->data + written, (size_t)(out->size - written));
        if (count >= 0)
            written += count;
        else if (errno != EINTR)
            fail(out);
    }
    out->size = 0;
}

// Room for size more bytes and a closing NUL.
static bool reserve(struct output *out, int64_t size) {
    if (out->failure.code != STATUS_OK) return false;
    return array_reserve(&out->data, &out->capacity, out->size + size + 1, 1, &out->failure) ==
           STATUS_OK;
}

void output_write(struct output *out, const void *bytes, int64_t size) {
    CHECK(size >= 0);
    if (size == 0 || !reserve(out, size)) return;
    memcpy(out->data + out->size, bytes, (size_t)size);
    out->size += size;
    out->data[out->size] = '\0';
    if (out->size >= FLUSH_BYTES) flush(out);
}

void output_text(struct output *out, const char *text) {
    output_write(out, text, (int64_t)strlen(text));
}

void output_printf(struct output *out, const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    CHECK(size >= 0);
    if (size < (int)sizeof line) {
        output_write(out, line, size);
        return;
    }
    if (!reserve(out, size)) return;
    va_start(args, format);
    vsnprintf(out->data + out->size, (size_t)size + 1, format, args);
    va_end(args);
    out->size += size;
    if (out->size >= FLUSH_BYTES) flush(out);
}

void output_printable(struct output *out, const char *text, int64_t size) {
    for (const char *c = text; c < text + size; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            output_printf(out, "\\x%02x", (unsigned)(unsigned char)*c);
        else
            output_write(out, c, 1);
    }
}

enum status output_finish(struct output *out, struct error *err) {
    flush(out);
    if (out->failure.code != STATUS_OK)
        return error_set(err, out->failure.code, "%s", out->failure.message);
    return STATUS_OK;
}

// A rename is durable only once the folder that holds both names is on disk.
static void sync_folder_of(struct output *out) {
    char *slash = strrchr(out->path, '/');
    if (slash) *slash = '\0';
    const char *folder = !slash ? "." : slash == out->path ? "/" : out->path;
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash) *slash = '/';
    if (descriptor < 0) return;
    // Some file systems cannot sync a folder; the data itself is safe by then.
    (void)fsync(descriptor);
    close(descriptor);
}

static enum status finish_file(struct output *out, bool sync, struct error *err) {
    CHECK(out->kind == OUTPUT_FILE && out->temporary);
    flush(out);
    if (out->failure.code == STATUS_OK) {
        if (sync && fsync(out->descriptor) != 0) fail(out);
        if (close(out->descriptor) != 0) fail(out);
        out->descriptor = -1;
    }
    if (out->failure.code == STATUS_OK && rename(out->temporary, out->path) != 0) fail(out);
    if (out->failure.code == STATUS_OK) {
        if (sync) sync_folder_of(out);
        free(out->temporary);
        out->temporary = NULL;
    }
    enum status status = output_finish(out, err);
    output_discard(out);
    return status;
}

enum status output_commit(struct output *out, struct error *err) {
    return finish_file(out, true, err);
}

enum status output_publish(struct output *out, struct error *err) {
    return finish_file(out, false, err);
}

void output_discard(struct output *out) {
    if (out->kind == OUTPUT_FILE) {
        if (out->descriptor >= 0) close(out->descriptor);
        if (out->temporary) (void)unlink(out->temporary);
    }
    free(out->data);
    free(out->path);
    free(out->temporary);
    *out = (struct output){.descriptor = -1};
}

enum status output_save(const char *path, const void *bytes, int64_t size, struct error *err) {
    struct output out;
    TRY(output_open_file(&out, path, err));
    output_write(&out, bytes, size);
    return output_commit(&out, err);
}
