// Which detections are kept.
#pragma once

#include "base/option.h"
#include "detector/detector.h"
#include "formats/annotated.h"

struct detection_filter {
    struct detection_limits limits; // for the detector
    bool *wanted;                   // [label], from 1
    double *scores;                 // [label], least score
    int64_t min_area;               // pixels of a mask
    int64_t max_detections;         // of a picture, the best ones; 0: as many as the model gives
};

struct filter_options {
    struct option_texts scores;  // "0.5", "person=0.7"
    struct option_texts classes; // names or category ids; none: all
    int64_t min_area;
    int64_t max_detections;
};

// STATUS_USAGE for classes that the model does not have, with a suggestion, and for numbers that
// are none. own is how many detections of a picture the model gives by itself. Arrays are in arena.
MUST_CHECK enum status detection_filter_make(struct detection_filter *filter,
                                             const struct filter_options *options,
                                             const struct class_list *classes, int64_t own,
                                             struct arena *arena, struct error *err);

// Removes what is not kept. The list is ordered by score and stays so.
void detection_filter_apply(const struct detection_filter *filter, struct detection_list *list);
