#include "train/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/check.h"
#include "base/file_view.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "train/folder.h"

static const char *const MANIFEST = "MANIFEST.json";

enum { VERSION = 1, MAX_BYTES = 1 << 16, MAX_FILES = 8, PIECE_BYTES = 1 << 18, CRC_DIGITS = 8 };

struct entry {
    int64_t bytes;
    uint32_t crc;
};

// ---- Checksums ----

static bool sum_descriptor(int descriptor, char *piece, struct entry *entry) {
    uLong crc = crc32(0, NULL, 0);
    for (;;) {
        ssize_t count = read(descriptor, piece, PIECE_BYTES);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        if (count == 0) break;
        crc = crc32(crc, (const Bytef *)piece, (uInt)count);
        entry->bytes += count;
    }
    entry->crc = (uint32_t)crc;
    return true;
}

// Reads the file instead of mapping it: a disk that fails is then an error, not the end of the
// program. entry starts as zeros.
static enum status sum_file(const char *path, struct entry *entry, struct error *err) {
    char *piece = malloc(PIECE_BYTES);
    if (!piece) return error_memory(err, "a checksum", PIECE_BYTES);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool complete = descriptor >= 0 && sum_descriptor(descriptor, piece, entry);
    int code = errno;
    if (descriptor >= 0) close(descriptor);
    free(piece);
    if (complete) return STATUS_OK;
    bool lost = code == ENOENT || code == EIO;
    return error_set(err, lost ? STATUS_DATA : STATUS_NO_INPUT, "%s: %s", path, strerror(code));
}

// ---- Writing ----

static enum status write_entry(struct json_writer *w, const char *folder, const char *name,
                               struct error *err) {
    char path[PATH_BYTES];
    char digits[CRC_DIGITS + 1];
    struct entry entry = {0};
    TRY(path_join(path, folder, name, err));
    TRY(sum_file(path, &entry, err));
    snprintf(digits, sizeof digits, "%08x", entry.crc);
    json_write_begin_object(w);
    json_write_key_text(w, "name", name);
    json_write_key_int64(w, "bytes", entry.bytes);
    json_write_key_text(w, "crc32", digits);
    json_write_end_object(w);
    return STATUS_OK;
}

static enum status write_entries(struct json_writer *w, const char *folder,
                                 const char *const *names, struct error *err) {
    json_write_begin_array(w);
    for (int i = 0; names[i]; i++)
        TRY(write_entry(w, folder, names[i], err));
    json_write_end_array(w);
    return STATUS_OK;
}

enum status manifest_write(const char *folder, const char *const *names, int64_t step,
                           struct error *err) {
    char path[PATH_BYTES];
    struct output out;
    struct json_writer w;
    TRY(path_join(path, folder, MANIFEST, err));
    TRY(output_open_file(&out, path, err));
    json_writer_init(&w, &out, 2);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "v", VERSION);
    json_write_key_int64(&w, "step", step);
    json_write_key(&w, "files");
    enum status status = write_entries(&w, folder, names, err);
    if (status != STATUS_OK) {
        output_discard(&out);
        return status;
    }
    json_write_end_object(&w);
    output_text(&out, "\n");
    return output_commit(&out, err);
}

// ---- Reading ----

static uint32_t read_crc(struct json_reader *r) {
    struct json_string text = json_string(r);
    uint32_t crc = 0;
    if (json_status(r) != STATUS_OK) return 0;
    bool valid = text.size == CRC_DIGITS;
    for (int64_t i = 0; valid && i < CRC_DIGITS; i++) {
        static const char DIGITS[] = "0123456789abcdef";
        const char *digit = memchr(DIGITS, text.data[i], sizeof DIGITS - 1);
        valid = digit != NULL;
        if (valid) crc = crc << 4 | (uint32_t)(digit - DIGITS);
    }
    if (!valid) json_fail(r, "expected a checksum of %d hexadecimal digits", CRC_DIGITS);
    return crc;
}

// Which of names this is; -1, with an error, if it is none of them.
static int read_name(struct json_reader *r, const char *const *names) {
    struct json_string text = json_string(r);
    for (int i = 0; names[i] && json_status(r) == STATUS_OK; i++)
        if (json_string_is(&text, names[i])) return i;
    json_fail(r, "this is no file of a checkpoint");
    return -1;
}

static void read_entry(struct json_reader *r, const char *const *names, struct entry *entries,
                       bool *seen) {
    struct json_string key;
    struct entry entry = {.bytes = -1};
    bool has_crc = false;
    int index = -1;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "name")) {
            index = read_name(r, names);
        } else if (json_string_is(&key, "bytes")) {
            entry.bytes = json_int64(r);
        } else if (json_string_is(&key, "crc32")) {
            entry.crc = read_crc(r);
            has_crc = true;
        } else {
            json_skip(r);
        }
    }
    if (index < 0 || entry.bytes < 0 || !has_crc)
        json_fail(r, "expected a name, a size and a checksum");
    if (json_status(r) != STATUS_OK) return;
    entries[index] = entry;
    seen[index] = true;
}

static void read_manifest(struct json_reader *r, const char *const *names, int64_t step,
                          struct entry *entries) {
    struct json_string key;
    bool seen[MAX_FILES] = {false};
    int64_t version = -1;
    int64_t found_step = -1;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "v")) {
            version = json_int64(r);
        } else if (json_string_is(&key, "step")) {
            found_step = json_int64(r);
        } else if (json_string_is(&key, "files")) {
            json_begin_array(r);
            while (json_next_element(r))
                read_entry(r, names, entries, seen);
        } else {
            json_skip(r);
        }
    }
    json_end(r);
    if (version != VERSION) json_fail(r, "version %lld, expected %d", (long long)version, VERSION);
    if (found_step != step)
        json_fail(r, "step %lld, expected %lld", (long long)found_step, (long long)step);
    for (int i = 0; names[i]; i++)
        if (!seen[i]) json_fail(r, "nothing about %s", names[i]);
}

static enum status compare(const char *path, const struct entry *expected, struct error *err) {
    struct entry found = {0};
    TRY(sum_file(path, &found, err));
    if (found.bytes != expected->bytes)
        return error_set(err, STATUS_DATA, "%s: %lld bytes, expected %lld", path,
                         (long long)found.bytes, (long long)expected->bytes);
    if (found.crc != expected->crc)
        return error_set(err, STATUS_DATA, "%s: its checksum is %08x, expected %08x", path,
                         found.crc, expected->crc);
    return STATUS_OK;
}

enum status manifest_verify(const char *folder, const char *const *names, int64_t step,
                            struct error *err) {
    char path[PATH_BYTES];
    struct file_view view;
    struct json_reader r;
    struct entry entries[MAX_FILES] = {0};
    for (int i = 0; names[i]; i++)
        CHECK(i < MAX_FILES);
    TRY(path_join(path, folder, MANIFEST, err));
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return error_set(err, STATUS_DATA, "%s: %s", path, strerror(errno));
    TRY(file_view_open(&view, path, MAX_BYTES, err));
    json_reader_init(&r, view.data, view.size, path, err);
    read_manifest(&r, names, step, entries);
    file_view_close(&view);
    TRY(json_status(&r));
    for (int i = 0; names[i]; i++) {
        TRY(path_join(path, folder, names[i], err));
        TRY(compare(path, &entries[i], err));
    }
    return STATUS_OK;
}
