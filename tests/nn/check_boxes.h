// What the tests of proposals and of detections share: the choice of boxes in double, as papers
// describe it.
#pragma once

#include <stdint.h>

#include "nn/box_coding_math.h"

struct candidate {
    double box[4];
    double score;
    int32_t group; // only boxes of one group drop one another
    int64_t index; // where it came from
};

// reference moved by deltas and clipped to the image.
void decode_and_clip(const double reference[4], const float deltas[4],
                     const struct box_coding *coding, struct extent extent, double box[4]);

bool is_large(const double box[4], double min_side);

// Best first; equal scores stay in order.
void sort_candidates(struct candidate *candidates, int64_t count);

// Greedy suppression of what is sorted; the first max_keep survivors move to the front. Returns how
// many there are.
int64_t suppress(struct candidate *candidates, int64_t count, double threshold, int64_t max_keep);
