// Folders and names in them, as runs and checkpoints need them.
#pragma once

#include "base/error.h"

enum { PATH_BYTES = 4096 };

// folder "/" name.
MUST_CHECK enum status path_join(char path[PATH_BYTES], const char *folder, const char *name,
                                 struct error *err);

// Makes a folder and those above it; those that are there are fine.
MUST_CHECK enum status folder_make(const char *path, struct error *err);

// Puts the names in a folder on disk: what was renamed is safe only then.
MUST_CHECK enum status folder_sync(const char *path, struct error *err);

// Removes files in a folder that were never finished, since whoever wrote them was killed.
MUST_CHECK enum status folder_remove_unfinished(const char *path, struct error *err);

// Removes a folder of files. One that is not there is fine.
MUST_CHECK enum status folder_remove(const char *path, struct error *err);
