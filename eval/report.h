// The deeper report on one IoU kind: what goes wrong, beside how much AP is left. Bundles the parts
// so that the command and the page compute them once.
#pragma once

#include "eval/breakdown.h"
#include "eval/calibration.h"
#include "eval/compare.h"
#include "eval/confusion.h"
#include "eval/label_errors.h"

struct report_options {
    double min_score;       // of results that count in confusions and in the page's pictures
    double min_label_score; // of results that may put an annotation in doubt
};

struct report_options report_default_options(void); // 0.5 and 0.8

struct report {
    const struct metric *metric; // borrowed
    struct report_options options;
    struct scenes scenes;
    struct breakdown breakdown;
    struct confusion confusion;
    struct calibration calibration;
    struct label_errors label_errors;
    const struct comparison *comparison; // borrowed; NULL: none. The owner may set it later
};

// metric, with its settings' lists and its sets, is borrowed until report_destroy. report must stay
// where it is.
MUST_CHECK enum status report_compute(struct report *report, const struct metric *metric,
                                      const struct report_options *options, struct workers *workers,
                                      struct error *err);
void report_destroy(struct report *report); // a zeroed one is fine

// The tables of all parts, but for the comparison.
void report_print(const struct report *report, struct output *out);

// Adds the keys breakdown, confusion, calibration, label_errors, and compare if there is one, to
// the object that is being written.
void report_write_json(const struct report *report, struct json_writer *w);
