// The charts of the page, one picture each. Private to eval/.
#pragma once

#include "eval/report.h"
#include "eval/svg.h"

// Precision over recall at IoU 0.50, 0.75 (as far as there are such thresholds) and on average over
// all thresholds, for all classes; and what the page's script needs to show one class instead.
void chart_precision_recall(struct output *out, const struct metric *metric);

// True and false positives at IoU 0.5, by score.
void chart_scores(struct output *out, const struct scenes *scenes,
                  const struct breakdown *breakdown);

// Precision, recall and their harmonic mean F1 at IoU 0.5 if only results from a score on counted.
void chart_thresholds(struct output *out, const struct scenes *scenes,
                      const struct breakdown *breakdown);

// Precision over score, in bins.
void chart_calibration(struct output *out, const struct calibration *calibration);

// AP gained by repairing each kind of error.
void chart_errors(struct output *out, const struct breakdown *breakdown);

// The matrix of the classes that are confused most.
void chart_confusion(struct output *out, const struct confusion *confusion);

// A difference with its interval; all rows of a table share the scale, reach to both sides of 0.
void chart_interval(struct output *out, const struct compared_value *value, double reach);
