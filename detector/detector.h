// A detector at work: the network of a model file and the context that it runs in. Everything that
// detects (commands, libgctmask) goes through here.
//
//     struct detector detector;
//     TRY(detector_open(&detector, "gct.safetensors", NULL, NULL, err));
//     status = detector_detect(&detector, images, count, NULL, arena, lists, err);
//     detector_close(&detector);
//
// Images come upright: load them with EXIF applied (data/image.h). One thread at a time uses a
// detector.
#pragma once

#include "detector/detect.h"
#include "detector/detector_model.h"

struct detector {
    struct detector_model model;
    struct nn *nn;
    struct detect_seconds seconds; // that the last detector_detect took
};

// What to report, other than the model's configuration says.
struct detection_limits {
    double min_score;       // negative: the model's
    int64_t max_detections; // of an image, the best ones; 0: the model's
    double nms;             // overlap over which the lesser of two of a class goes; 0: the model's
    double mask_threshold;  // least probability of a mask's pixels; 0: 0.5
};

// Loads a model file. overrides as in detector/detector_model.h; options as in nn/nn.h, NULL for
// the defaults. The struct must not move. After an error there is nothing to close.
MUST_CHECK enum status detector_open(struct detector *detector, const char *path,
                                     const struct option_texts *overrides,
                                     const struct nn_options *options, struct error *err);
void detector_close(struct detector *detector); // a zeroed struct is fine

// Fills lists[count], one for each image, in arena. Neighbours of equal padded size are computed
// together, others one after the other, so that an image's detections never depend on its company.
// limits may be NULL.
MUST_CHECK enum status detector_detect(struct detector *detector, const struct image *images,
                                       int64_t count, const struct detection_limits *limits,
                                       struct arena *arena, struct detection_list *lists,
                                       struct error *err);

// Classes have labels from 1.
int64_t detector_num_classes(const struct detector *detector);
const char *detector_class_name(const struct detector *detector, int32_t label);
int64_t detector_category_id(const struct detector *detector, int32_t label); // in COCO's files
