// The pictures that a command is to work on, found before the work begins.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/option.h"

struct input_file {
    const char *path; // to open
    const char *name; // below the folder that was named, for outputs: "2019/IMG_0031.jpg"
};

struct input_files {
    struct input_file *items; // by their names' bytes
    int64_t count;
    int64_t capacity;
};

struct input_search {
    bool recursive;
    const struct option_texts *extensions; // "jpg" or ".jpg", in capitals or not
    const char *out;
};

// Operands are
// - files, which are taken whatever they are called;
// - folders, of which the files with one of the extensions are taken, hidden ones left out;
//   recursive: folders in them too, but not links to folders, nor the folder out, where outputs go;
// - patterns (tools/annotate_glob.h), if there is no file of that name;
// - "@FILE", a list of files, and "-", the same from standard input: separated by newlines, or by
//   NULs if there is one. Their names are their paths, without what leads to the root or upwards.
// Two files of one name are an error: their outputs would be one. Texts are allocated in arena.
MUST_CHECK enum status input_files_find(struct input_files *files, const char *const *operands,
                                        int num_operands, const struct input_search *how,
                                        struct arena *arena, struct error *err);
void input_files_destroy(struct input_files *files); // a zeroed struct is fine
