// How networks express boxes: as differences from a reference box, an anchor or a proposal
// (Girshick et al., "Rich feature hierarchies", 2014, appendix C). All in float32, as the reference
// implementations do.
#pragma once

#include <math.h>
#include <stdbool.h>

#include "nn/box_list.h"
#include "nn/host_device.h"

struct box_coding {
    float x, y, width, height; // what deltas are multiplied with when encoded: 10, 10, 5, 5
};

// log(1000 / 16): a predicted side is at most 62.5 times the reference's.
#define BOX_CODING_MAX_LOG 4.135166556742356f

// box = reference moved and stretched by deltas.
HOST_DEVICE static inline void box_decode(const float reference[4], const float deltas[4],
                                          const struct box_coding *coding, float box[4]) {
    float width = reference[2] - reference[0];
    float height = reference[3] - reference[1];
    float centre_x = reference[0] + 0.5f * width;
    float centre_y = reference[1] + 0.5f * height;
    float log_width = fminf(deltas[2] / coding->width, BOX_CODING_MAX_LOG);
    float log_height = fminf(deltas[3] / coding->height, BOX_CODING_MAX_LOG);
    float x = deltas[0] / coding->x * width + centre_x;
    float y = deltas[1] / coding->y * height + centre_y;
    float half_width = 0.5f * (expf(log_width) * width);
    float half_height = 0.5f * (expf(log_height) * height);
    box[0] = x - half_width;
    box[1] = y - half_height;
    box[2] = x + half_width;
    box[3] = y + half_height;
}

// The deltas that box_decode turns into box.
HOST_DEVICE static inline void box_encode(const float reference[4], const float box[4],
                                          const struct box_coding *coding, float deltas[4]) {
    float width = reference[2] - reference[0];
    float height = reference[3] - reference[1];
    float box_width = box[2] - box[0];
    float box_height = box[3] - box[1];
    deltas[0] = coding->x * ((box[0] + 0.5f * box_width) - (reference[0] + 0.5f * width)) / width;
    deltas[1] =
        coding->y * ((box[1] + 0.5f * box_height) - (reference[1] + 0.5f * height)) / height;
    deltas[2] = coding->width * logf(box_width / width);
    deltas[3] = coding->height * logf(box_height / height);
}

HOST_DEVICE static inline void box_clip(float box[4], struct extent extent) {
    float width = (float)extent.width;
    float height = (float)extent.height;
    box[0] = fminf(fmaxf(box[0], 0), width);
    box[1] = fminf(fmaxf(box[1], 0), height);
    box[2] = fminf(fmaxf(box[2], 0), width);
    box[3] = fminf(fmaxf(box[3], 0), height);
}

// Both sides at least min_side, and more than 0. False for NaN.
HOST_DEVICE static inline bool box_is_large(const float box[4], float min_side) {
    float width = box[2] - box[0];
    float height = box[3] - box[1];
    return width > 0 && height > 0 && width >= min_side && height >= min_side;
}
