// The regions that a training step looks at, out of the candidates that were matched and sampled
// (nn/match/match.h, nn/sample/sample.h): all of them for the box head, and those that are objects
// for the mask head.
#pragma once

#include "nn/box_list.h"
#include "nn/sample/sample.h"

// Image after image, in the order of the candidates. The list has boxes, images and labels.
struct regions {
    struct box_list list;
    int32_t *truths; // [count]: index among the truths of all images, MATCH_BACKGROUND without
};

struct region_counts {
    int32_t all, objects;
};

struct region_choice {
    struct candidates candidates;
    struct truth_boxes truths;
    const int32_t *labels;         // of the truths, from 1
    const int32_t *matches;        // [num_images, candidates_of_image]
    const struct sampled *sampled; // [num_images]
};

struct regions_call {
    struct call call;
    struct region_choice choice;
    struct regions all, objects;
    struct region_counts *counts;
};

// Empty regions in step memory, with room for so many.
void regions_create(struct nn *nn, struct regions *regions, int64_t capacity);

// Fills both, which must have room, and tells in counts[1] how many there are: the program, when it
// has waited for that (nn_wait), sets the lists' counts.
void regions_forward(struct nn *nn, const struct region_choice *choice, const struct regions *all,
                     const struct regions *objects, struct region_counts *counts);
