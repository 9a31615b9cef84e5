// Weights to start from: those of another model file, as far as they fit.
#pragma once

#include "detector/detector_model.h"
#include "detector/name_list.h"

struct initialised {
    int64_t taken;               // parameters that the file had
    struct name_list predictors; // of another number of classes: stay fresh
    struct name_list gates;      // that the file lacks: stay fresh, which is the identity
};

// Fills the parameters of model, which hold fresh values, from the model file at path. Everything
// but predictors and gates must be there, in its shape.
MUST_CHECK enum status initialise_from_file(struct initialised *result,
                                            struct detector_model *model, const char *path,
                                            struct error *err);
