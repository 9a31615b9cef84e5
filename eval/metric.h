// COCO's average precision and recall, number for number as pycocotools 2.0 computes them (Lin et
// al., "Microsoft COCO", 2014; cocoapi, PythonAPI/pycocotools/cocoeval.py).
//
// For each category and image, results in order of falling score each take the free ground truth
// they overlap most, at each IoU threshold; crowd regions may be taken many times and count neither
// way. Precision over recall is made monotone, read at 101 recalls and averaged. Where pycocotools
// does something that its documentation does not tell, the code says "parity:".
//
// Masks never exist as pixels: all overlaps are computed on run lengths.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/workers.h"
#include "data/coco.h"

enum iou_kind {
    IOU_BOX,
    IOU_MASK,
    IOU_BOUNDARY, // min(mask IoU, IoU of the masks' inner borders), eval/boundary.h
};

enum {
    METRIC_MAX_THRESHOLDS = 32,
    METRIC_MAX_AREAS = 8,
    METRIC_NUM_MAX_DETS = 3,
    METRIC_NUM_RECALLS = 101, // 0, 0.01, ... 1
};

// Objects with an area outside low..high (both inclusive, in pixels) are ignored.
struct area_range {
    const char *name;
    double low, high;
};

struct metric_settings {
    enum iou_kind iou;
    double thresholds[METRIC_MAX_THRESHOLDS];
    int64_t num_thresholds;
    struct area_range areas[METRIC_MAX_AREAS];
    int64_t num_areas;
    int64_t max_dets[METRIC_NUM_MAX_DETS]; // results per image and category, ascending
    const int64_t *category_ids;           // borrowed; NULL: all of the ground truth's
    int64_t num_category_ids;
    const int64_t *image_ids; // borrowed; NULL: all of the ground truth's
    int64_t num_image_ids;
    double dilation_ratio; // IOU_BOUNDARY: width of the border over the image's diagonal
};

// COCO's own: thresholds 0.50:0.05:0.95, all/small/medium/large at 32^2 and 96^2, 1/10/100 results.
struct metric_settings metric_default_settings(enum iou_kind iou);

// Fills settings' thresholds with low, low + step, ... high as numpy.linspace does.
void metric_set_threshold_range(struct metric_settings *settings, double low, double high,
                                double step);

// One category's counts in the evaluated images.
struct metric_class {
    int64_t category_id;
    const char *name;
    int64_t num_images;  // with at least one object that is no crowd
    int64_t num_objects; // that are no crowds
    int64_t num_results; // at most max_dets[2] for each image
};

// Values are -1 where there is no ground truth to judge by. Index order as in the names.
struct metric {
    struct metric_settings settings;
    const struct coco_set *truth;
    const struct coco_set *results;
    int64_t num_images; // evaluated
    int64_t num_classes;
    struct metric_class *classes; // by ascending category id
    double *precision;            // [thresholds, recalls, classes, areas], at max_dets[2]
    double *precision_at_100;     // the same at 100 results, or NULL if no max_dets is 100
    double *recall;               // [thresholds, classes, areas, max_dets]
    struct arena arena;
};

// Scores results against truth. An error if a result names an image that truth lacks, or if a
// record lacks what the IoU kind needs. truth and results are borrowed until metric_destroy.
MUST_CHECK enum status metric_compute(struct metric *metric, const struct coco_set *truth,
                                      const struct coco_set *results,
                                      const struct metric_settings *settings,
                                      struct workers *workers, struct error *err);

void metric_destroy(struct metric *metric); // a zeroed metric is fine
