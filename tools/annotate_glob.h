// Patterns for file names, expanded by the program itself: a quoted pattern may match more files
// than a command line holds.
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

// Whether a text has one of * ? [ in it.
bool glob_is_pattern(const char *text);

// Called for each match: path to open, and name below the folder that stands before the first part
// with a pattern.
typedef enum status glob_visit(void *context, const char *path, const char *name,
                               struct error *err);

// Visits the regular files, links to them included, that match: in each part of a path * and ? and
// [..] match as in a shell, and a part ** matches any number of folders. Hidden files and folders
// match only parts that begin with a dot; links to folders are not followed by **.
MUST_CHECK enum status glob_expand(const char *pattern, glob_visit *visit, void *context,
                                   struct error *err);
