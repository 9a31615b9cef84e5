// Which position of the coarser map a position of the finer one takes, the same on every device.
#pragma once

#include <math.h>
#include <stdint.h>

#include "nn/host_device.h"

// floor(position in / out) as PyTorch computes it for a given size: in single precision, whose
// rounding decides for some sizes which of two neighbours it is.
HOST_DEVICE static inline int64_t upsample_source(int64_t position, int64_t in, int64_t out) {
    float scale = (float)in / (float)out;
    int64_t source = (int64_t)floorf((float)position * scale);
    return source < in - 1 ? source : in - 1;
}

// The first position whose source is not before the given one; out if there is none.
HOST_DEVICE static inline int64_t upsample_begin(int64_t source, int64_t in, int64_t out) {
    int64_t position = (int64_t)((float)source * ((float)out / (float)in)); // or next to it
    if (position > out) position = out;
    while (position > 0 && upsample_source(position - 1, in, out) >= source)
        position--;
    while (position < out && upsample_source(position, in, out) < source)
        position++;
    return position;
}
