// A COCO set as a model can learn from it: its categories as labels, and per image the objects that
// can be learnt.
//
// Left out, each kind counted: crowd regions, objects whose box within the image has a side of at
// most one pixel, objects without a mask, and annotations of images that the set does not have
// (maskrcnn-benchmark, data/datasets/coco.py; torchvision, references/detection/coco_utils.py).
// Images of which nothing remains are left out, too.
#pragma once

#include "detector/class_map.h"

struct dataset_object {
    float box[4];  // x1, y1, x2, y2 within the image, in its pixels
    int32_t label; // from 1
    const struct coco_segment *segment;
};

struct dataset_image {
    const struct coco_image *record; // id, file name, width, height
    const struct dataset_object *objects;
    int64_t num_objects; // at least 1
};

enum left_out {
    LEFT_OUT_CROWD,
    LEFT_OUT_SMALL,
    LEFT_OUT_WITHOUT_MASK,
    LEFT_OUT_WITHOUT_IMAGE,
    NUM_LEFT_OUT,
};

// What they are, in the plural: "crowd regions".
const char *left_out_text(enum left_out kind);

struct dataset {
    const struct coco_set *set;
    struct class_map classes;
    struct dataset_image *images; // in the order of the set
    int64_t num_images;
    int64_t num_objects;
    int64_t *class_counts; // objects, [classes + 1], by label
    int64_t images_left_out;
    int64_t objects_left_out[NUM_LEFT_OUT];
};

// Everything is borrowed from set or allocated in arena; both must live as long as the dataset.
// Errors, which name the first record: a set that is damaged, or whose images lack a size or a file
// name; objects of categories that the model lacks; masks that are damaged or of another size than
// their image; nothing that can be learnt.
MUST_CHECK enum status dataset_make(struct dataset *dataset, const struct coco_set *set,
                                    const struct model_config *config, struct arena *arena,
                                    struct error *err);
