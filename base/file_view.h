// Whole files, read-only, in memory: mapped where the system can, so that a large file costs no
// copy and its pages can be dropped behind the reader.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct file_view {
    const char *data; // size bytes, not NUL-terminated; NULL for an empty file
    int64_t size;
    int descriptor;   // open as long as data is mapped
    int64_t modified; // when, in nanoseconds
};

// Opens a regular file. Directories, devices and pipes are errors, and so is a file of more than
// max_bytes (0: no limit). A file that shrinks while it is mapped ends the program with SIGBUS, as
// with every mapping: inputs are replaced by renaming, not by truncating.
MUST_CHECK enum status file_view_open(struct file_view *view, const char *path, int64_t max_bytes,
                                      struct error *err);

// Tells the system that bytes begin..end are not needed for now: they stop counting as memory of
// this process and are read again if touched.
void file_view_drop(const struct file_view *view, int64_t begin, int64_t end);

// Whether the file has another size, or was written to, since it was opened. Renaming another one
// to its name does not change it.
bool file_view_changed(const struct file_view *view);

// Unmaps; a zeroed view is fine.
void file_view_close(struct file_view *view);
