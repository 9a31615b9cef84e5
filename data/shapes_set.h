// A whole set of shape scenes on disk, in COCO's layout:
//
//     FOLDER/images/train_000001.jpg ... val_000001.jpg ...
//     FOLDER/annotations/instances_train.json
//     FOLDER/annotations/instances_val.json
//
// The same options give the same bytes, whatever the number of threads, and image i of a split does
// not depend on how many images the splits have.
#pragma once

#include "base/error.h"
#include "base/workers.h"
#include "data/shapes.h"

enum { SHAPES_MAX_IMAGES = 1000000 }; // of a split

struct shapes_set_options {
    enum shape_style style;
    uint64_t seed;
    int64_t num_train;
    int64_t num_val;
    int32_t width; // of every image; 0: each side is drawn from min_side..max_side
    int32_t height;
    int32_t min_side;
    int32_t max_side;
    int jpeg_quality;         // 1..100
    const char *results_path; // NULL: none; made-up results for val, or for train without val
    double results_quality;   // 0..1, see shape_scene_guess
    struct workers *workers;  // NULL: one thread
};

struct shapes_set_counts {
    int64_t num_images;
    int64_t num_annotations;
    int64_t num_results;
};

// Creates folder and what it holds; files of the same names are replaced. counts may be NULL.
MUST_CHECK enum status shapes_write_set(const char *folder,
                                        const struct shapes_set_options *options,
                                        struct shapes_set_counts *counts, struct error *err);
