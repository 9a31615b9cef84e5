// Files of torch.save: a pickle, and the storages that its tensors refer to.
//
// Two containers. Since version 1.6, a zip archive:
//     NAME/data.pkl    the pickle
//     NAME/data/KEY    the storages
// and before that, one after another:
//     pickles          a magic number, 1001, sizes of the machine's types
//     a pickle         of what was saved
//     a pickle         the list of the storages' keys
//     the storages     each a count of elements in 8 bytes, then the elements
//
// A file that is just a pickle, as detectron2's and Detectron's are, is read as well.
#pragma once

#include "detector/import/pickle.h"

enum torch_container { TORCH_ZIP, TORCH_LEGACY, TORCH_PICKLE };

struct torch_storage {
    struct pickle_text key;
    const char *data; // of any alignment
    int64_t bytes;
};

struct torch_file {
    enum torch_container container;
    const struct pickle_value *root;
    struct torch_storage *storages; // sorted by key
    int64_t num_storages;
};

// bytes must stay in place; name is borrowed for messages.
MUST_CHECK enum status torch_file_read(struct torch_file *file, const char *bytes, int64_t size,
                                       const char *name, struct arena *arena, struct error *err);

// NULL if the file has none of that key.
const struct torch_storage *torch_file_find(const struct torch_file *file, struct pickle_text key);
