// What pixels_forward has devices run.
#pragma once

#include "nn/pixels/pixels.h"

struct pixels_call {
    struct call call;
    const struct pixels *pixels; // until the call returns
};

// Ends the program if the part is not one of the resized picture, or larger than padded.
void pixels_check(const struct pixels_picture *picture, struct extent padded);
