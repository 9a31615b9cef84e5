// What the tests of training itself share: a set of small pictures, and a detector small enough to
// learn from it in no time.
#pragma once

#include "detector/detector.h"
#include "train/communicator.h"
#include "train/dataset.h"

struct tiny_training {
    struct arena arena; // of the dataset
    struct coco_set set;
    struct dataset dataset;
    struct detector detector; // made for training, with fresh weights
    struct communicator *communicator;
};

enum { TINY_IMAGES = 12, TINY_WIDTH = 64, TINY_HEIGHT = 48 };

// The folder of the pictures train_000001.jpg to train_000012.jpg and val_000001.jpg to
// val_000003.jpg, all of one size; the first call draws them.
const char *tiny_image_folder(void);

// Annotations of a split of these, "train" or "val"; the text holds until the next call.
const char *tiny_annotations(const char *split);

// annotations: a path, or a text in JSON that begins with "{". settings: options of the model
// beside those that make it small, as NAME=VALUE; NULL ends them.
void tiny_training_create(struct tiny_training *tiny, const char *annotations,
                          const char *const *settings);
void tiny_training_destroy(struct tiny_training *tiny);
