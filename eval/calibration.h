// Whether a score means what it says: among results that score about 0.8, are 80 % right? Results
// are put into bins of equal width by score; within each, the mean score is set against the share
// of true positives at IoU 0.5 (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
// section 2; for detectors Kueppers et al., CVPR workshops 2020).
#pragma once

#include "eval/breakdown.h"

enum { CALIBRATION_BINS = 10 };

struct calibration_bin {
    int64_t num_results;
    int64_t num_correct;
    double mean_score; // 0 if the bin is empty
    double precision;  // num_correct / num_results; 0 if the bin is empty
};

struct calibration {
    struct calibration_bin bins[CALIBRATION_BINS]; // bin i: scores from i / 10 on
    int64_t num_results;                           // that are not ignored
    double expected_error; // mean of |precision - mean score| over results; -1 if there are none
    double largest_error;  // of any bin; -1 if there are no results
};

// A score below 0 counts as 0, one above 1 as 1: no probability lies beyond.
struct calibration calibration_compute(const struct scenes *scenes,
                                       const struct breakdown *breakdown);

void calibration_print(const struct calibration *calibration, struct output *out);
void calibration_write_json(const struct calibration *calibration, struct json_writer *w);
