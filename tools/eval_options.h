// What `gctmask eval` takes on the command line, and its way into the metric's settings.
#pragma once

#include "base/option.h"
#include "eval/metric.h"
#include "nn/nn.h"

enum { MAX_IOU_KINDS = 3 };

struct eval_options {
    const char *annotations;
    const char *results;      // of a file, or
    const char *weights;      // of a model that is run over the images
    const char *image_folder; // needed for weights
    const char *save_results;
    struct option_texts overrides; // of the model
    enum nn_precision precision;
    const char *device;
    bool tune;
    int64_t procs; // that share the images
    struct option_texts iou_kinds;
    struct option_ints max_dets;
    struct option_doubles iou_thresholds;
    struct option_texts areas;
    struct option_texts classes;
    struct option_texts images;
    bool boundary;
    double dilation_ratio;
    bool classwise;
    bool breakdown;
    bool json;
    const char *html;
    int64_t worst;
    const char *compare;
};

// The kinds of overlap that are asked for, each once; returns how many.
int64_t eval_iou_kinds(const struct eval_options *options, enum iou_kind kinds[MAX_IOU_KINDS]);

// Settings for one of them. Names and ids are looked up in truth; lists go to arena.
MUST_CHECK enum status eval_settings(struct metric_settings *settings, enum iou_kind iou,
                                     const struct eval_options *options,
                                     const struct coco_set *truth, struct arena *arena,
                                     struct error *err);
