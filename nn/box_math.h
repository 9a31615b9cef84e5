// Boxes as corners, x1 y1 x2 y2, and how much two of them overlap; the same on every device. There
// is no "+ 1": a box from 2 to 5 is 3 wide.
#pragma once

#include <stdint.h>

#include "nn/host_device.h"

struct box {
    float x1, y1, x2, y2;
};

HOST_DEVICE static inline float box_larger(float a, float b) {
    return a > b ? a : b;
}

HOST_DEVICE static inline float box_smaller(float a, float b) {
    return a < b ? a : b;
}

// 0 if a side is not positive.
HOST_DEVICE static inline float box_area(struct box box) {
    return box_larger(box.x2 - box.x1, 0) * box_larger(box.y2 - box.y1, 0);
}

HOST_DEVICE static inline float box_intersection(struct box a, struct box b) {
    float width = box_smaller(a.x2, b.x2) - box_larger(a.x1, b.x1);
    float height = box_smaller(a.y2, b.y2) - box_larger(a.y1, b.y1);
    return box_larger(width, 0) * box_larger(height, 0);
}

// Intersection over union; NaN, which is larger than no threshold, for two boxes without area.
HOST_DEVICE static inline float box_overlap(struct box a, float area_a, struct box b,
                                            float area_b) {
    float intersection = box_intersection(a, b);
    float both = area_a + area_b - intersection;
#ifdef __CUDA_ARCH__
    if (intersection == 0 && both > 0) return 0; // as most are; dividing 0 takes a GPU long
#endif
    return intersection / both;
}
