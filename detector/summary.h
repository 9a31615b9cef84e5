// What a model is made of and what it costs: found by running it on the plan device, which computes
// nothing, so it takes milliseconds and no memory whatever the size.
#pragma once

#include "base/json_writer.h"
#include "detector/mask_rcnn.h"

enum model_part {
    PART_STEM,
    PART_C2,
    PART_C3,
    PART_C4,
    PART_C5,
    PART_FPN,
    PART_RPN,
    PART_BOX_HEAD,
    PART_MASK_HEAD,
    NUM_MODEL_PARTS,
};

const char *model_part_name(enum model_part part); // "stem" and so on

enum { LAYER_DETAILS_BYTES = 112 };

// One operation of a forward pass, in the order of the computation.
struct layer_summary {
    enum model_part part;
    const char *label; // of the layer; NULL for operations without one
    const char *op;
    char details[LAYER_DETAILS_BYTES]; // "gct 3x3/2 bn relu"; may be empty
    bool has_shape;                    // false where boxes come out
    int64_t n, h, w, c;
    double multiply_adds;
};

struct model_summary {
    int64_t num_images, height, width; // of the input
    int64_t proposals, detections;     // of one image, at most: what the heads are counted with
    int64_t parameters[NUM_MODEL_PARTS];
    int64_t total_parameters;  // as papers count them: without frozen batch norms
    int64_t total_frozen_norm; // the values of those
    double multiply_adds[NUM_MODEL_PARTS];
    double total_multiply_adds;
    struct layer_summary *layers;
    int64_t num_layers;
    int64_t parameter_bytes; // all values, frozen norms included
    int64_t step_bytes;      // highest use of step memory in inference
};

// For num_images inputs of size, whose sides are multiples of 32. The model's parameters need no
// values (mask_rcnn_describe); labels are borrowed from it, the layers are in arena.
MUST_CHECK enum status model_summarise(struct model_summary *summary, struct mask_rcnn *model,
                                       int64_t num_images, struct extent size, struct arena *arena,
                                       struct error *err);

// The size that an ordinary photo (4:3) becomes.
struct extent model_summary_usual_size(const struct mask_rcnn *model);

void model_summary_write_table(const struct model_summary *summary, struct output *out);

// The keys of an object that the caller has begun.
void model_summary_write_json(const struct model_summary *summary, struct json_writer *w);
