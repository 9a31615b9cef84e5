// What the tests of training's data share: an annotation set with a model that is to learn it.
#pragma once

#include "detector/mask_rcnn.h"
#include "train/dataset.h"

struct training_data {
    struct arena arena;
    struct model_config config;
    struct options options; // of config
    struct mask_rcnn model; // of which only the configuration and the conventions are there
    struct coco_set set;
    struct dataset dataset;
};

// Reads the set (text or a file) and configures a model whose classes are the set's categories;
// settings are more options as NAME, VALUE, NAME, VALUE, NULL. The dataset is left to be made.
// Images are small by default: input.short_side is 64, input.long_side 110.
void training_data_parse(struct training_data *data, const char *json, const char *const *settings);
void training_data_load(struct training_data *data, const char *path, const char *const *settings);

void training_data_make(struct training_data *data); // the dataset, without errors
void training_data_destroy(struct training_data *data);

// A set of count images, image i wide if shape[i % length] is 'L' and high if it is 'P', each with
// one object, and its dataset.
void training_data_shapes(struct training_data *data, const char *shape, int64_t count,
                          const char *const *settings);
