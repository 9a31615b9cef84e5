// Boxes that a network finds: proposals and detections of the images of a batch, image after image.
#pragma once

#include <stdint.h>

#include "nn/nn.h"

// The part of an image tensor that holds the image; the rest is padding.
struct extent {
    int32_t height, width;
};

struct box_list {
    int64_t capacity;
    int64_t count;   // on the plan device: capacity, the most there can be
    float *boxes;    // [count, 4]: x1, y1, x2, y2 in pixels of the network's input
    float *scores;   // [count]
    int32_t *images; // [count]: index in the batch
    int32_t *labels; // [count]; 0 is background
    int32_t *levels; // [count]: which level of the pyramid its features come from, 0 is P2
};

// An empty list in step memory; its arrays are NULL after a failure.
void box_list_create(struct nn *nn, struct box_list *list, int64_t capacity);
void box_list_release(struct nn *nn, struct box_list *list);
