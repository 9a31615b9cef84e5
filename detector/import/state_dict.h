// The tensors of a file with weights, by name, whatever the file's format: torch.save's, a pickle
// of arrays (detectron2, Detectron), or safetensors. Where a file holds more than weights, these
// are looked for under the keys by which training programs save them.
#pragma once

#include "detector/safetensors.h"

struct state_tensor {
    struct safetensor tensor; // data: of the first element; bytes: as if it were contiguous
    int64_t strides[SAFETENSOR_MAX_DIMS]; // in elements
    bool contiguous;                      // in C order
};

struct state_dict {
    const char *path;
    const char *format; // "a zip archive of PyTorch" and so on
    struct file_view view;
    struct state_tensor *items; // sorted by name
    int64_t count;
};

// Maps the file at path and finds its tensors. What is said about them is kept in arena; path is
// borrowed.
MUST_CHECK enum status state_dict_open(struct state_dict *dict, const char *path,
                                       struct arena *arena, struct error *err);

// The same for a file in memory, which must stay in place. name is borrowed for messages.
MUST_CHECK enum status state_dict_read(struct state_dict *dict, const char *bytes, int64_t size,
                                       const char *name, struct arena *arena, struct error *err);

void state_dict_close(struct state_dict *dict); // a zeroed struct is fine

// NULL if there is none of that name.
const struct state_tensor *state_dict_find(const struct state_dict *dict, const char *name);

// Writes the tensor's elements in C order as float32, with safetensor_to_float's rules. arena holds
// the rearranged elements and is as before afterwards.
MUST_CHECK enum status state_tensor_to_float(const struct state_tensor *item, float *out,
                                             struct arena *arena, struct error *err);
