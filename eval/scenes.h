// The evaluated images one by one, each with its objects and results of all classes side by side:
// what the reports on errors look at (breakdown, confusion, calibration, label errors), where
// COCO's metric sees one class at a time. Built once, read by all of them.
#pragma once

#include "eval/metric.h"

// Where one result and one object share enough to matter: an IoU of SCENE_MIN_IOU or more.
struct scene_overlap {
    int32_t truth; // position in the scene
    double iou;    // over the area of the result if the object is a crowd
};

// TIDE's border between a badly placed result and one that has nothing to do with any object.
#define SCENE_MIN_IOU 0.1

struct scene_truth {
    const struct coco_annotation *annotation;
    int64_t class_index; // in struct scenes
};

struct scene_result {
    const struct coco_annotation *annotation;
    int64_t class_index;
    const struct scene_overlap *overlaps; // by position of the object
    int64_t num_overlaps;
};

struct scene {
    const struct coco_image *image;
    int64_t truth_begin; // in the arrays of struct scenes
    int64_t num_truths;
    int64_t result_begin;
    int64_t num_results;
};

struct scenes {
    enum iou_kind iou;
    const struct coco_set *truth_set; // borrowed
    const struct coco_set *results_set;
    int64_t num_classes;
    const struct coco_category **classes; // by ascending id
    int64_t num_scenes;
    struct scene *scenes; // by ascending image id
    int64_t num_truths;
    struct scene_truth *truths; // by scene, in file order
    int64_t num_results;
    struct scene_result *results; // by scene; by falling score, then file order
    struct arena arena;
};

// Takes images, classes and IoU kind from settings, and of each image the max_dets[2] best results
// of all classes. truth and results are borrowed until scenes_destroy. Errors as metric_compute's.
MUST_CHECK enum status scenes_build(struct scenes *scenes, const struct coco_set *truth,
                                    const struct coco_set *results,
                                    const struct metric_settings *settings, struct workers *workers,
                                    struct error *err);

void scenes_destroy(struct scenes *scenes); // zeroed ones are fine

// What to call a class: its name, or "class ID" if it has none. buffer has room for
// SCENE_NAME_BYTES.
enum { SCENE_NAME_BYTES = 32 };
const char *scene_class_name(const struct scenes *scenes, int64_t class_index, char *buffer);
