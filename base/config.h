// Configuration files: a JSON object whose keys are options. An object inside it is a group:
// {"model": {"depth": 101}} sets the option model.depth. The key "base" names another such file,
// relative to this one, that is read first; what stands in this file overrides it.
//
//     TRY(options_init(&options, TRAIN_OPTIONS, &train, &arena, err));
//     TRY(config_load(&options, "configs/gct_r50.json", err));
//     TRY(config_override(&options, "model.depth=101", err));
//
// Unknown and duplicate keys are errors, and messages name the file and the dotted key:
// "configs/x.json: model.depth: 52 is not one of 50, 101, 152".
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/option.h"

enum {
    CONFIG_MAX_BYTES = 1 << 20, // of one file
    CONFIG_MAX_VALUES = 10000,  // in one file
    CONFIG_MAX_DEPTH = 16,      // of objects and lists inside one another
    CONFIG_MAX_FILES = 16,      // of bases behind one another
};

// Sets the options that the file and its bases name. After an error, some may be set already.
MUST_CHECK enum status config_load(struct options *options, const char *path, struct error *err);

// The same for a document in memory, which can have no base; name stands for the file in messages
// and origins and must live as long as the options.
MUST_CHECK enum status config_read(struct options *options, const char *text, int64_t size,
                                   const char *name, struct error *err);

// One "NAME=VALUE" from the command line; "NAME=" leaves a list without items.
MUST_CHECK enum status config_override(struct options *options, const char *assignment,
                                       struct error *err);
