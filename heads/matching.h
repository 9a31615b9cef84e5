// Which truth a box stands for, and which boxes a training step looks at (Ren et al., "Faster
// R-CNN", 2015, section 3.1.2; Girshick, "Fast R-CNN", 2015, section 2.3).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "nn/box_math.h"

enum {
    MATCH_BACKGROUND = -1,
    MATCH_IGNORED = -2, // neither an object nor background, or not sampled
};

struct matching_rule {
    float object;     // overlap (IoU) from which on a box is an object
    float background; // overlap below which it is background; between the two it is ignored
    bool keeps_best;  // the boxes that overlap a truth most are objects, however little that is
};

// matches[i] = the index of the truth that boxes[i] overlaps most, or one of the above. best is
// scratch memory for num_truths floats. A truth that no box overlaps has no best box.
void match_boxes(const struct box *boxes, int64_t count, const struct box *truths,
                 int64_t num_truths, const struct matching_rule *rule, float *best,
                 int32_t *matches);

// How many boxes of an image to look at.
struct sampling {
    int64_t count;    // in all; 0 is no limit
    double positives; // at most this share are objects; the rest is background
};

// Sets matches beyond the limits to MATCH_IGNORED, chosen at random. scratch holds count numbers.
void sample_matches(int32_t *matches, int64_t count, const struct sampling *sampling,
                    struct random *random, int32_t *scratch);
