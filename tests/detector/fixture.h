// A fixture: what a reference implementation computed for one model, one photo and parameters by
// formula. See tests/detector/parity.c.
#pragma once

#include "base/arena.h"
#include "data/rle.h"
#include "detector/config.h"

struct fixture_sample {
    int64_t index; // in C order of the tensor's shape
    double value;
};

struct fixture_tensor {
    const char *name;
    int num_dims;
    int64_t shape[4]; // n, c, h, w
    double norm;
    struct fixture_sample *samples;
    int64_t num_samples;
};

struct fixture_detection {
    float box[4];
    double score;
    int64_t label;
    struct rle mask;
};

// The five losses of a training step.
enum fixture_loss {
    FIXTURE_OBJECTNESS,
    FIXTURE_ANCHOR_BOX,
    FIXTURE_CLASSES,
    FIXTURE_BOX,
    FIXTURE_MASK,
    FIXTURE_NUM_LOSSES,
};
extern const char *const FIXTURE_LOSS_NAMES[FIXTURE_NUM_LOSSES];

struct fixture {
    const char *variant;
    const char *salt;
    const char *conventions;
    int64_t width, height; // of the photo
    int64_t min_size, max_size;
    double mean[3], std[3];
    int64_t resized_height, resized_width;
    int64_t pre_nms, post_nms, max_detections, classes;
    double rpn_nms, score_threshold, box_nms;
    int64_t train_pre_nms, train_post_nms;
    struct fixture_tensor *tensors;
    int64_t num_tensors;
    struct fixture_tensor *gradients; // of parameters
    int64_t num_gradients;
    double losses[FIXTURE_NUM_LOSSES];
    int64_t num_truths;
    float *truth_boxes;      // [num_truths, 4], in the photo
    int32_t *truth_labels;   // [num_truths]
    struct rle *truth_masks; // [num_truths]
    float *proposals;        // [num_proposals, 4]
    int64_t num_proposals;
    struct fixture_detection *detections;
    int64_t num_detections;
};

MUST_CHECK enum status fixture_load(struct fixture *fixture, const char *path, struct arena *arena,
                                    struct error *err);

// NULL if there is none.
const struct fixture_tensor *fixture_tensor_find(const struct fixture *fixture, const char *name);

// The configuration of the fixture's variant, conventions, sizes and thresholds.
MUST_CHECK enum status fixture_configure(const struct fixture *fixture, struct model_config *config,
                                         struct arena *arena, struct error *err);
