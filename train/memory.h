// How much memory a training will take, counted before its first step: by one step of the largest
// group on the plan device, which computes nothing.
//
// What is rounded up, what kernels need for a moment, and polygons and masks of the images are not
// in it: tests hold the total to within 20 % of what is measured, the step's part to within 15 %.
#pragma once

#include "detector/detector_model.h"
#include "train/loader.h"

// Bytes in one process.
struct training_memory {
    int64_t held;       // already: the program, the annotations, parameters and gradients
    int64_t parameters; // values, gradients, momentum
    int64_t step;       // tensors and their gradients
    int64_t loader;     // images made ready ahead of need
    int64_t total;
    struct extent padded; // size of the largest group
};

// model was made for training, so that its parameters and gradients are held already. loader: that
// of the training, as is precision.
MUST_CHECK enum status training_memory_count(struct training_memory *memory,
                                             struct detector_model *model,
                                             const struct loader_options *loader,
                                             enum nn_precision precision, struct error *err);
