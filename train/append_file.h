// A file that grows record by record while others read it. A record goes out in one write, and one
// that fails half-way (a full disk) is taken back, so that the next one begins where it should.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/output.h"
#include "train/folder.h"

struct append_file {
    int descriptor;
    int64_t size; // of all whole records
    bool torn;    // part of a failed record is still behind them
    char path[PATH_BYTES];
};

// Opens the file at path to append to what is there; with is_new, it must not be there yet.
MUST_CHECK enum status append_file_open(struct append_file *file, const char *path, bool is_new,
                                        struct error *err);

MUST_CHECK enum status append_file_write(struct append_file *file, const void *bytes, int64_t size,
                                         struct error *err);

// Gives up all behind the first size bytes.
MUST_CHECK enum status append_file_cut(struct append_file *file, int64_t size, struct error *err);

// Puts on disk what was written.
MUST_CHECK enum status append_file_sync(struct append_file *file, struct error *err);

// A copy of what such a file holds now, to be discarded. (A mapped one would end the reader when
// the writer takes something back.)
MUST_CHECK enum status append_file_read(const char *path, struct output *content,
                                        struct error *err);

void append_file_close(struct append_file *file); // one that was closed or never opened is fine
