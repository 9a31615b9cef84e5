#include "detector/import/zip.h"

#include <stdlib.h>
#include <string.h>

#include "detector/safetensors_internal.h"

enum {
    LOCAL_HEADER = 0x04034B50,
    LOCAL_BYTES = 30,
    DIRECTORY_ENTRY = 0x02014B50,
    ENTRY_BYTES = 46,
    DIRECTORY_END = 0x06054B50,
    END_BYTES = 22,
    DIRECTORY_END_64 = 0x06064B50,
    END_64_BYTES = 56,
    END_64_LOCATOR = 0x07064B50,
    LOCATOR_BYTES = 20,
    MAX_COMMENT_BYTES = 65535,
};

// A little-endian number of the file; the caller has checked that it is there.
static uint64_t number(const char *at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

static enum status damaged(const struct zip *zip, const char *what, struct error *err) {
    return error_set(err, STATUS_DATA, "%s: zip: %s: the file may have been cut off", zip->path,
                     what);
}

static bool is_inside(const struct zip *zip, uint64_t begin, uint64_t bytes) {
    uint64_t size = (uint64_t)zip->size;
    return begin <= size && bytes <= size - begin;
}

// ---- The directory ----

struct directory {
    uint64_t count; // of entries
    uint64_t begin;
    uint64_t bytes;
};

// The last record of the file, which only a comment can follow. NULL if there is none.
static const char *find_end(const struct zip *zip) {
    for (int64_t back = END_BYTES; back <= zip->size && back <= END_BYTES + MAX_COMMENT_BYTES;
         back++) {
        const char *at = zip->bytes + zip->size - back;
        if (number(at, 4) == DIRECTORY_END && (int64_t)number(at + 20, 2) == back - END_BYTES)
            return at;
    }
    return NULL;
}

static enum status find_directory(const struct zip *zip, struct directory *directory,
                                  struct error *err) {
    const char *end = find_end(zip);
    if (!end) return damaged(zip, "no directory at the end", err);
    directory->count = number(end + 10, 2);
    directory->bytes = number(end + 12, 4);
    directory->begin = number(end + 16, 4);
    const char *locator = end - LOCATOR_BYTES;
    if (end - zip->bytes < LOCATOR_BYTES || number(locator, 4) != END_64_LOCATOR) return STATUS_OK;
    uint64_t begin = number(locator + 8, 8);
    if (!is_inside(zip, begin, END_64_BYTES) || number(zip->bytes + begin, 4) != DIRECTORY_END_64)
        return damaged(zip, "no 64-bit directory where there should be one", err);
    directory->count = number(zip->bytes + begin + 32, 8);
    directory->bytes = number(zip->bytes + begin + 40, 8);
    directory->begin = number(zip->bytes + begin + 48, 8);
    return STATUS_OK;
}

// Sizes that do not fit 32 bits stand in an extra field, in this order.
static bool read_wide_sizes(struct zip_entry *entry, uint64_t *stored_size, const char *extra,
                            uint64_t extra_bytes) {
    enum { WIDE_SIZES = 1 };
    uint64_t sizes[] = {(uint64_t)entry->size, *stored_size, (uint64_t)entry->header};
    while (extra_bytes >= 4) {
        uint64_t kind = number(extra, 2);
        uint64_t bytes = number(extra + 2, 2);
        if (bytes > extra_bytes - 4) return false;
        const char *at = extra + 4;
        const char *end = at + bytes;
        for (int i = 0; kind == WIDE_SIZES && i < 3; i++) {
            if (sizes[i] != UINT32_MAX) continue;
            if (end - at < 8) return false;
            sizes[i] = number(at, 8);
            at += 8;
        }
        extra = end;
        extra_bytes -= 4 + bytes;
    }
    for (int i = 0; i < 3; i++)
        if (sizes[i] > INT64_MAX) return false;
    entry->size = (int64_t)sizes[0];
    *stored_size = sizes[1];
    entry->header = (int64_t)sizes[2];
    return true;
}

// Reads the entry at *at and moves on; false if it is not whole.
static bool read_entry(struct zip_entry *entry, const char **at, const char *end) {
    const char *from = *at;
    if (end - from < ENTRY_BYTES || number(from, 4) != DIRECTORY_ENTRY) return false;
    uint64_t flags = number(from + 8, 2);
    uint64_t method = number(from + 10, 2);
    uint64_t stored_size = number(from + 20, 4);
    uint64_t extra_bytes = number(from + 30, 2);
    int64_t name_size = (int64_t)number(from + 28, 2);
    int64_t rest = name_size + (int64_t)extra_bytes + (int64_t)number(from + 32, 2);
    if (end - from - ENTRY_BYTES < rest) return false;
    *entry = (struct zip_entry){
        .name = from + ENTRY_BYTES,
        .name_size = name_size,
        .size = (int64_t)number(from + 24, 4),
        .header = (int64_t)number(from + 42, 4),
        .crc = (uint32_t)number(from + 16, 4),
    };
    if (!read_wide_sizes(entry, &stored_size, entry->name + name_size, extra_bytes)) return false;
    entry->stored = method == 0 && (flags & 1) == 0 && stored_size == (uint64_t)entry->size;
    *at = from + ENTRY_BYTES + rest;
    return true;
}

static int compare_names(const char *a, int64_t a_size, const char *b, int64_t b_size) {
    int64_t shorter = a_size < b_size ? a_size : b_size;
    int order = shorter ? memcmp(a, b, (size_t)shorter) : 0;
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_entries(const void *a, const void *b) {
    const struct zip_entry *left = a;
    const struct zip_entry *right = b;
    return compare_names(left->name, left->name_size, right->name, right->name_size);
}

enum status zip_read(struct zip *zip, const char *bytes, int64_t size, const char *path,
                     struct arena *arena, struct error *err) {
    *zip = (struct zip){.bytes = bytes, .size = size, .path = path};
    struct directory directory = {0};
    TRY(find_directory(zip, &directory, err));
    if (!is_inside(zip, directory.begin, directory.bytes) ||
        directory.count > directory.bytes / ENTRY_BYTES)
        return damaged(zip, "a directory that is larger than the file", err);
    zip->count = (int64_t)directory.count;
    zip->entries = arena_alloc(arena, zip->count, sizeof *zip->entries);
    if (!zip->entries) return error_memory(err, "the directory of a zip", zip->count);
    const char *at = bytes + directory.begin;
    const char *end = at + directory.bytes;
    for (int64_t i = 0; i < zip->count; i++)
        if (!read_entry(&zip->entries[i], &at, end))
            return damaged(zip, "a directory entry that is not whole", err);
    if (zip->count) qsort(zip->entries, (size_t)zip->count, sizeof *zip->entries, compare_entries);
    for (int64_t i = 1; i < zip->count; i++)
        if (compare_entries(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return error_set(err, STATUS_DATA, "%s: zip: two entries of the same name", path);
    return STATUS_OK;
}

// ---- Entries ----

const struct zip_entry *zip_find(const struct zip *zip, const char *name, int64_t name_size) {
    struct zip_entry wanted = {.name = name, .name_size = name_size};
    if (!zip->count) return NULL;
    return bsearch(&wanted, zip->entries, (size_t)zip->count, sizeof wanted, compare_entries);
}

enum status zip_data(const struct zip *zip, const struct zip_entry *entry, const char **data,
                     struct error *err) {
    int shown = entry->name_size < 64 ? (int)entry->name_size : 64;
    uint64_t begin = (uint64_t)entry->header;
    if (!entry->stored)
        return error_set(err, STATUS_UNSUPPORTED,
                         "%s: zip: %.*s is compressed or encrypted, which torch.save does not do",
                         zip->path, shown, entry->name);
    if (!is_inside(zip, begin, LOCAL_BYTES) || number(zip->bytes + begin, 4) != LOCAL_HEADER)
        return damaged(zip, "no entry where the directory says", err);
    // The name and the extra field may differ from the directory's, and only their sizes matter.
    begin += LOCAL_BYTES + number(zip->bytes + begin + 26, 2) + number(zip->bytes + begin + 28, 2);
    if (!is_inside(zip, begin, (uint64_t)entry->size))
        return damaged(zip, "an entry that is larger than the file", err);
    *data = zip->bytes + begin;
    uint32_t crc = safetensors_crc32(0, *data, entry->size);
    if (crc == entry->crc) return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s: zip: %.*s does not match its checksum (found %08x, expected %08x): the "
                     "file was damaged",
                     zip->path, shown, entry->name, (unsigned)crc, (unsigned)entry->crc);
}
