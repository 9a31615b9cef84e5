// Weights to start from: those of another model file, as far as they fit.
#pragma once

#include "detector/detector_model.h"
#include "detector/name_list.h"

// What becomes of the last layers, which know the classes, where the file has as many of them.
enum init_classes {
    INIT_CLASSES_SAME,        // other names than the model's are an error
    INIT_CLASSES_BY_POSITION, // the file's first class is the model's first, whatever their names
    INIT_CLASSES_FRESH,       // they start afresh
};

enum init_parts {
    INIT_ALL,
    INIT_BACKBONE, // pyramid and heads start afresh
};

struct init_options {
    const char *path; // of a model file
    enum init_classes classes;
    enum init_parts parts;
};

enum { INIT_TEXT_BYTES = 80 };

struct initialised {
    int64_t taken;                   // parameters that come from the file
    struct name_list predictors;     // of other classes: stay fresh
    struct name_list gates;          // that the file lacks: stay fresh, which is the identity
    char fresh[INIT_TEXT_BYTES];     // parts that were not wanted; "" if there are none
    char untrained[INIT_TEXT_BYTES]; // parts that the file has as drawn, with biases of 0
    bool other_conventions;          // the file's model has others: boxes are computed otherwise
};

// Fills the parameters of model, which hold fresh values, from a model file. All that is wanted of
// it, but predictors of other classes and gates, must be there in its shape. A file whose model
// sees other numbers in the same picture (input.*) is an error.
MUST_CHECK enum status initialise_from_file(struct initialised *result,
                                            struct detector_model *model,
                                            const struct init_options *options, struct error *err);
