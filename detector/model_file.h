// Model files: a detector in one file, weights, configuration, classes and preprocessing, so that
// a model file is all that a command needs. The format is safetensors (detector/safetensors.h); the
// metadata has two keys:
//
//     "format"   "gctmask 1"
//     "config"   the resolved configuration as JSON, all options of detector/config.h
//
// and the tensors are the model's parameters, float32, under their own names.
#pragma once

#include "base/option.h"
#include "detector/mask_rcnn.h"
#include "detector/safetensors.h"

// Writes model's parameters and the options that it was built with. Readers see the old file or the
// whole new one.
MUST_CHECK enum status model_file_save(const struct mask_rcnn *model, const struct options *options,
                                       const char *path, struct error *err);

// Whether the file at path starts as a model file does; anything else may be a configuration.
MUST_CHECK enum status model_file_recognise(const char *path, bool *is_model_file,
                                            struct error *err);

struct model_file {
    const char *path;
    struct safetensors tensors;
    const char *config; // JSON
};

// Opens the file and checks its format and, if verify, its checksum, which reads all of it. path
// and arena must live as long as the options that model_file_configure sets.
MUST_CHECK enum status model_file_open(struct model_file *file, const char *path, bool verify,
                                       struct arena *arena, struct error *err);
void model_file_close(struct model_file *file); // a zeroed struct is fine

MUST_CHECK enum status model_file_configure(const struct model_file *file, struct options *options,
                                            struct error *err);

// Whether the file has all parameters, in their shapes, and nothing else. They need no memory yet.
MUST_CHECK enum status model_file_match(const struct model_file *file,
                                        const struct parameters *parameters, struct error *err);

// Maps those of the parameters (which match, and have no memory yet) whose values the network reads
// only once, where they are float32 in the file. The file must stay open as long as they are used.
void model_file_map(const struct model_file *file, struct parameters *parameters);

// Fills parameters that match, and have memory. A number that is not finite is an error that names
// its tensor.
MUST_CHECK enum status model_file_fill(const struct model_file *file, struct parameters *parameters,
                                       struct error *err);
