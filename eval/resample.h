// Average precision when each image counts several times, or not at all. Private to eval/.
//
// Which result finds which object does not depend on other images, so it is found once. A resample
// then is a weight for each image: a result counts as often as its image was drawn, and AP is
// exactly that of a file in which the images are repeated (but for results of one image that tie,
// whose order among the copies COCO leaves to chance). Per class and threshold only true positives
// and ignored results are visited; what lies between them is read off a running sum of weights.
#pragma once

#include "eval/verdicts.h"

// A result that does more than lower the precision.
struct ranked_event {
    int32_t position; // in the class's ranking
    int32_t image;    // for a true positive; -1 - image for an ignored result
};

// One class: its results in the order of their scores, up to the last true positive.
struct ranked_class {
    int64_t num_results;
    const int32_t *images; // [num_results], of each
    const struct ranked_event *events;
    const int64_t *event_begins; // [num_thresholds + 1]
    int64_t num_objects;
    const int32_t *object_images; // [num_objects]: images of the objects that count
};

struct ranking {
    int64_t num_thresholds;
    int64_t num_images;
    int64_t num_classes;
    struct ranked_class *classes;
    const int64_t *category_ids; // [num_classes]
    int64_t max_results;         // of any class
};

// settings has one area range. Everything is allocated from arena.
MUST_CHECK enum status ranking_build(struct ranking *ranking, const struct coco_set *truth,
                                     const struct coco_set *results,
                                     const struct metric_settings *settings,
                                     struct workers *workers, struct arena *arena,
                                     struct error *err);

struct resample_scratch {
    int64_t *seen;     // [max_results + 1]: weight of the results before
    double *num_found; // [max_results]: up to and with each true positive
    double *num_seen;  // [max_results]: results that count, likewise
    double *precision; // [max_results]
};

MUST_CHECK enum status resample_scratch_init(struct resample_scratch *scratch, int64_t max_results,
                                             struct arena *arena, struct error *err);

// Fills precisions[num_thresholds] with the AP of one class, and returns true; false if the images
// drawn show no object of the class. weights: [num_images].
bool resample_class(double *precisions, const struct ranking *ranking, int64_t class_index,
                    const int32_t *weights, const struct resample_scratch *scratch);
