// What the losses of boxes compare with: for boxes that were matched with truths
// (nn/match/match.h), the deltas from each to its truth, and which of them count.
#pragma once

#include "nn/box_coding_math.h"
#include "nn/match/match.h"

// Row i x count + j is box first + j of image i, whose match is matches[i x stride + first + j].
struct encoding {
    const float *boxes; // [.., 4], the same in all images
    const int32_t *matches;
    const float *truths; // [num_truths, 4], which matches are indices of
    int64_t num_truths;
    int64_t num_images, first, count, stride;
    struct box_coding coding;
};

// Of each row.
struct encoded {
    float *deltas;  // [rows, 4]: 0 where there is no truth
    float *matched; // 1 with a truth, 0 without
    float *sampled; // 0 of what is ignored, 1 of the rest; may be NULL
};

struct encode_call {
    struct call call;
    struct encoding encoding;
    struct encoded encoded;
};

void encode_forward(struct nn *nn, const struct encoding *encoding, const struct encoded *encoded);
