// COCO's twelve numbers, over all classes or for one, and the report's text and JSON.
#pragma once

#include "base/json_writer.h"
#include "eval/metric.h"

// -1 where there is nothing to average. small, medium and large are the area ranges of that name.
struct summary {
    double ap, ap50, ap75; // over all thresholds; at 0.50; at 0.75
    double ap_small, ap_medium, ap_large;
    double ar[METRIC_NUM_MAX_DETS]; // at each max_dets
    double ar_small, ar_medium, ar_large;
};

enum { ALL_CLASSES = -1 };

// parity: for all classes, ap is at 100 results for each image (-1 if no max_dets is 100) and the
// other five precisions are at the largest max_dets, as in pycocotools. For one class, all are at
// the largest.
struct summary summary_of(const struct metric *metric, int64_t class_index);

// "box", "mask" or "boundary".
const char *iou_kind_name(enum iou_kind iou);

// The twelve lines as pycocotools prints them, and the row AP,AP50,AP75,APs,APm,APl in percent for
// copying into a table.
void summary_print(const struct metric *metric, struct output *out);

// The table per class.
void summary_print_classes(const struct metric *metric, struct output *out);

// Adds the twelve numbers, per_class and settings to the object that is being written.
void summary_write_json(const struct metric *metric, struct json_writer *w);
