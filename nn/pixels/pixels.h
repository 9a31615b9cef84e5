// From pictures of bytes to the network's input: resized, normalised and put at the top left of
// zeros. What a picture becomes does not depend on the device, to the bit.
//
// Pictures are resized as bytes before they are normalised (Pillow's way), or as floats afterwards
// (torch's); base/resample.h has both. A part of the resized picture may be taken.
#pragma once

#include "base/arena.h"
#include "nn/box_list.h"

enum { PIXELS_BYTE_VALUES = 256 };

// A part of a resized picture: extent.height x extent.width pixels from (top, left) on.
struct crop {
    struct extent resized; // the whole
    int32_t top, left;
    struct extent extent;
};

struct pixels_picture {
    const uint8_t *bytes; // [height, width, 3], RGB, rows tight
    int32_t width, height;
    struct crop crop;
};

// What is the same for all pictures of a model.
struct pixels_rules {
    bool resizes_bytes;                  // before normalisation
    int32_t source[3];                   // channel c of the input is channel source[c] of a picture
    float values[3][PIXELS_BYTE_VALUES]; // what each byte becomes in channel c of the input
};

struct pixels {
    const struct pixels_rules *rules;
    const struct pixels_picture *pictures;
    int64_t count;
    struct extent padded; // the sides of the input, not smaller than any part
    // On the CPU holds what is in between, and is as before afterwards; elsewhere may be NULL.
    struct arena *arena;
};

// [count, padded.height, padded.width, 3]. All is borrowed until this returns.
struct tensor *pixels_forward(struct nn *nn, const struct pixels *pixels);

// What the CPU does for one picture, for those who do it elsewhere and ahead: fills plane,
// [padded.height, padded.width, 3].
MUST_CHECK enum status pixels_fill(const struct pixels_rules *rules,
                                   const struct pixels_picture *picture, struct extent padded,
                                   float *plane, struct arena *arena, struct error *err);

static inline bool pixels_keep_size(const struct pixels_picture *picture) {
    return picture->width == picture->crop.resized.width &&
           picture->height == picture->crop.resized.height;
}
