// Zip archives that lie in memory, as torch.save writes them: entries are stored as they are, never
// compressed, with 64-bit sizes where needed (APPNOTE.TXT of PKWARE, sections 4.3 and 4.5).
//
//     struct zip zip;
//     TRY(zip_read(&zip, bytes, size, path, arena, err));
//     const struct zip_entry *entry = zip_find(&zip, "archive/version", 15);
//     if (entry) status = zip_data(&zip, entry, &data, err);
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct zip_entry {
    const char *name; // not NUL-terminated
    int64_t name_size;
    int64_t size;   // bytes
    int64_t header; // where it begins in the file
    uint32_t crc;
    bool stored; // neither compressed nor encrypted
};

struct zip {
    const char *bytes;
    int64_t size;
    const char *path;          // for messages
    struct zip_entry *entries; // sorted by name
    int64_t count;
};

// Reads the directory. bytes must stay in place, and path is borrowed.
MUST_CHECK enum status zip_read(struct zip *zip, const char *bytes, int64_t size, const char *path,
                                struct arena *arena, struct error *err);

// NULL if there is none of that name.
const struct zip_entry *zip_find(const struct zip *zip, const char *name, int64_t name_size);

// Where the entry's bytes are; checks them against their checksum.
MUST_CHECK enum status zip_data(const struct zip *zip, const struct zip_entry *entry,
                                const char **data, struct error *err);
