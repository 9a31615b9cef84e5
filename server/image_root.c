#include "server/image_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/picture.h"
#include "server/query.h"

static bool refuse(struct picture *picture, const char *why) {
    return fault_set(&picture->fault, FAULT_NO_IMAGE, "the task's image %s", why);
}

// ---- Files ----

// Opens path below the folder, one segment at a time, so that no link is followed and nothing is
// raced; -1 if that cannot be.
static int open_below(const char *root, char *path) {
    int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *rest = NULL;
    for (char *segment = strtok_r(path, "/", &rest); segment && folder >= 0;) {
        char *next = strtok_r(NULL, "/", &rest);
        bool climbs = strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0;
        int flags = next ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK;
        int inner = climbs ? -1 : openat(folder, segment, flags | O_NOFOLLOW | O_CLOEXEC);
        close(folder);
        folder = inner;
        segment = next;
    }
    return folder;
}

static bool read_file(struct picture *picture, int file, int64_t max_bytes, struct arena *arena) {
    struct stat info;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) return refuse(picture, "is no file");
    if (info.st_size > max_bytes)
        return fault_set_limit(&picture->fault, FAULT_BODY_TOO_LARGE, max_bytes, info.st_size,
                               "the task's image has %lld bytes; the limit is %lld",
                               (long long)info.st_size, (long long)max_bytes);
    uint8_t *bytes = arena_alloc(arena, info.st_size, 1);
    if (!bytes) return refuse(picture, "does not fit in what memory is left");
    while (picture->size < info.st_size) {
        ssize_t got = read(file, bytes + picture->size, (size_t)(info.st_size - picture->size));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        picture->size += got;
    }
    picture->bytes = bytes;
    return picture_check(picture);
}

static bool read_below(struct picture *picture, const char *root, char *path, int64_t max_bytes,
                       struct arena *arena) {
    if (!root) return refuse(picture, "is a file, and this server was given no folder of images");
    int file = open_below(root, path);
    if (file < 0) return refuse(picture, "is not in the folder of images");
    bool read = read_file(picture, file, max_bytes, arena);
    close(file);
    return read;
}

// ---- References ----

// A path, percent-decoded; NULL with a fault.
static char *decode_path(struct picture *picture, const char *folder, const char *encoded,
                         struct arena *arena) {
    struct query query;
    const char *name = NULL;
    const char *value = NULL;
    query_init(&query, encoded, arena, &picture->fault);
    if (!query_next(&query, &name, &value)) {
        refuse(picture, "has a malformed path");
        return NULL;
    }
    size_t size = strlen(folder) + strlen(value) + 1;
    char *path = arena_alloc(arena, (int64_t)size, 1);
    if (path)
        snprintf(path, size, "%s%s", folder, value);
    else
        refuse(picture, "has a path too long for what memory is left");
    return path;
}

static const char *behind(const char *text, const char *start) {
    size_t size = strlen(start);
    return strncmp(text, start, size) == 0 ? text + size : NULL;
}

bool image_root_read(struct picture *picture, const char *root, const char *reference,
                     int64_t max_bytes, struct arena *arena) {
    *picture = (struct picture){0};
    const char *local = behind(reference, "/data/local-files/?");
    const char *upload = behind(reference, "/data/upload/");
    const char *inline_text = behind(reference, "data:image/");
    char *path = NULL;
    if (inline_text && strstr(inline_text, ";base64,")) {
        const char *text = strstr(inline_text, ";base64,") + strlen(";base64,");
        const struct json_string string = {text, (int64_t)strlen(text), false};
        return picture_from_base64(picture, &string, arena);
    }
    if (local && behind(local, "d=")) {
        path = decode_path(picture, "", local, arena);
    } else if (upload) {
        // As a value of a query, whose decoding is the same.
        size_t size = strlen(upload) + sizeof "d=";
        char *pair = arena_alloc(arena, (int64_t)size, 1);
        if (!pair) return refuse(picture, "has a path too long for what memory is left");
        snprintf(pair, size, "d=%s", upload);
        path = decode_path(picture, "upload/", pair, arena);
    } else {
        return refuse(picture, "is an address; only local files, uploads and data: are read");
    }
    return path && read_below(picture, root, path, max_bytes, arena);
}
