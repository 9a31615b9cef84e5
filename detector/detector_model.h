// A detector with all that it consists of under one roof: configuration, layers, parameters and
// their memory. It comes from a configuration file (configs/) or from a model file.
//
//     struct detector_model model;
//     TRY(detector_model_load(&model, "gct.safetensors", NULL, false, err));
//     status = detect_images(nn, &model.network, images, count, arena, lists, err);
//     detector_model_destroy(&model);
//
// The struct must not move. After an error there is nothing to destroy.
#pragma once

#include "detector/mask_rcnn.h"
#include "detector/model_file.h"

struct detector_model {
    struct arena arena; // of all that follows
    struct model_config config;
    struct options options; // of config
    struct mask_rcnn network;
    struct model_file file; // while weights lie in it
};

// In what follows, overrides is NULL or a list of NAME=VALUE that stand above the file's options.
// An item without "=" continues the value before it, since the command line splits lists at each
// comma.

// The configuration of a configuration or model file, and the layers, without values of parameters.
// A model file's weights must fit.
MUST_CHECK enum status detector_model_describe(struct detector_model *model, const char *path,
                                               const struct option_texts *overrides,
                                               struct error *err);

// The same, whatever weights a model file has: they are to come from elsewhere. path may be NULL:
// then all but the overrides is as by default.
MUST_CHECK enum status detector_model_outline(struct detector_model *model, const char *path,
                                              const struct option_texts *overrides,
                                              struct error *err);

// The same with fresh parameters, drawn from seed.
MUST_CHECK enum status detector_model_create(struct detector_model *model, const char *path,
                                             const struct option_texts *overrides, bool training,
                                             uint64_t seed, struct error *err);

// A model file with its parameters. A file that lacks some, or has others, is an error that names
// them. Without training, large weights stay in the file, which is mapped (nn/parameters.h): who
// replaces a model file that is in use must do so by renaming, as model_file_save does.
MUST_CHECK enum status detector_model_load(struct detector_model *model, const char *path,
                                           const struct option_texts *overrides, bool training,
                                           struct error *err);

MUST_CHECK enum status detector_model_save(const struct detector_model *model, const char *path,
                                           struct error *err);

void detector_model_destroy(struct detector_model *model); // a zeroed struct is fine
