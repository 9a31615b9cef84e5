// Whether one set of results is better than another, or only luckier in these images: the
// difference of their APs with a 95 % interval from a paired bootstrap (Efron and Tibshirani, "An
// Introduction to the Bootstrap", 1993, chapter 13: percentile intervals).
//
// Images are drawn with replacement, as many as there are, and both results are scored on the same
// drawing, num_resamples times; the interval holds the middle 95 % of the differences. An image
// counts as often as it was drawn; matching happens once, so a resample costs no more than a walk
// over the true positives (eval/resample.h). Resample i uses stream i of the seed: the numbers do
// not depend on the number of threads.
#pragma once

#include <stdbool.h>

#include "base/json_writer.h"
#include "eval/metric.h"

// One number of both results. Without objects to judge by, both are -1 and the rest 0.
struct compared_value {
    double value;        // of the results
    double other;        // of the other ones
    double difference;   // value - other
    double low, high;    // 95 % interval of the difference
    double share_better; // of resamples in which the results did better than the others
    bool is_clear;       // the interval leaves out 0, and rests on COMPARISON_MIN_IMAGES or more
};

struct compared_class {
    int64_t category_id;
    const char *name;
    int64_t num_objects;
    int64_t num_images; // with any of them
    struct compared_value ap;
};

struct comparison {
    enum iou_kind iou;
    const char *other_path;
    int64_t num_images;
    int64_t num_resamples;
    uint64_t seed;
    struct compared_value ap;   // over all thresholds
    struct compared_value ap50; // -1 if the threshold is not among the settings'
    struct compared_value ap75;
    int64_t num_classes;
    struct compared_class *classes; // by ascending category id
    struct arena arena;
};

enum { COMPARISON_RESAMPLES = 1000, COMPARISON_SEED = 1 };

// A class that occurs in fewer images has no interval worth the name: resamples of one image are
// all alike.
enum { COMPARISON_MIN_IMAGES = 5 };

// AP is over the area range "all" (or the first, if none has that name), at the largest max_dets.
// truth and other are borrowed until comparison_destroy. Errors as metric_compute's.
MUST_CHECK enum status
comparison_compute(struct comparison *comparison, const struct coco_set *truth,
                   const struct coco_set *results, const struct coco_set *other,
                   const struct metric_settings *settings, int64_t num_resamples, uint64_t seed,
                   struct workers *workers, struct error *err);
void comparison_destroy(struct comparison *comparison); // a zeroed one is fine

void comparison_print(const struct comparison *comparison, bool with_classes, struct output *out);
void comparison_write_json(const struct comparison *comparison, struct json_writer *w); // an object
