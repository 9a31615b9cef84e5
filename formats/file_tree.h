// The files below a folder.
#pragma once

#include "base/arena.h"
#include "base/error.h"

struct file_tree {
    const char **names; // below the folder, "2019/a.json", sorted by their bytes; in the arena
    int64_t count;
};

// Finds all files whose names end with suffix, in folders below too; hidden ones and links to
// folders are left out.
MUST_CHECK enum status file_tree_find(struct file_tree *tree, const char *folder,
                                      const char *suffix, struct arena *arena, struct error *err);

enum { FILE_TREE_PATH_BYTES = 4096 };

// folder "/" name, with the last bytes of name that are suffix replaced. suffix may be "".
MUST_CHECK enum status file_tree_path(char path[FILE_TREE_PATH_BYTES], const char *folder,
                                      const char *name, const char *suffix, const char *replacement,
                                      struct error *err);
