// Which truth a box stands for (Ren et al., "Faster R-CNN", 2015, section 3.1.2; Girshick, "Fast
// R-CNN", 2015, section 2.3): anchors and regions are matched with the objects of their image.
#pragma once

#include "nn/nn.h"

enum {
    MATCH_BACKGROUND = -1,
    MATCH_IGNORED = -2, // neither an object nor background, or not there, or not sampled
};

struct matching_rule {
    float object;     // overlap (IoU) from which on a box is an object
    float background; // overlap below which it is background; between the two it is ignored
    bool keeps_best;  // the boxes that overlap a truth most are objects, however little that is
};

// The objects of a batch, image after image.
struct truth_boxes {
    int64_t num_images, count;
    int64_t most;          // of one image at most
    const int32_t *begins; // [num_images + 1]: where each image's begin, and count
    const float *boxes;    // [count, 4]
};

// The boxes that are matched: each of every image, and behind them, if asked for, its truths.
struct candidates {
    const float *boxes;    // [num_images, each, 4], or [each, 4] where all images have the same
    const int32_t *counts; // [num_images]: how many of each are there; NULL: all
    int64_t each;
    bool shared;
    bool with_truths; // regions: the truths are trained on, too
};

// How many matches an image has.
static inline int64_t candidates_of_image(const struct candidates *candidates,
                                          const struct truth_boxes *truths) {
    return candidates->each + (candidates->with_truths ? truths->most : 0);
}

struct match_call {
    struct call call;
    struct candidates candidates;
    struct truth_boxes truths;
    struct matching_rule rule;
    int32_t *matches;
};

// matches[num_images, candidates_of_image] = the index of the truth that a candidate overlaps most,
// among the truths of all images, or one of the above; of equal overlaps the first one's. A truth
// that no box overlaps has no best box.
void match_forward(struct nn *nn, const struct candidates *candidates,
                   const struct truth_boxes *truths, const struct matching_rule *rule,
                   int32_t *matches);
