// Boxes that a network finds: proposals and detections of the images of a batch, image after image.
//
// A list is packed, or it has as many places for each image, so that the program need not know how
// many there are: a device may still be finding them.
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
    int64_t each;    // places of an image, where count is that of all places; 0: packed
    int32_t *counts; // [images]: how many of each are there; NULL if packed
};

// An empty list in step memory; its arrays are NULL after a failure.
void box_list_create(struct nn *nn, struct box_list *list, int64_t capacity);
// The same with places for each of some images, all of them counted.
void box_list_create_places(struct nn *nn, struct box_list *list, int64_t num_images, int64_t each);
// A list for the program to read, once it has waited; see nn_read.
struct box_list box_list_read(struct nn *nn, const struct box_list *list);
void box_list_release(struct nn *nn, struct box_list *list);
