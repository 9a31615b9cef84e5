// What the mask head is to predict for a region: the part of its truth's mask inside it, at the
// resolution of the logits (He et al., 2017, section 3.1).
//
// A mask is polygons, which are moved and scaled into the region and drawn at its resolution
// (detectron2, structures/masks.py), or pixels, of which RoIAlign takes samples (nn/roi_align/).
#pragma once

#include "nn/nn.h"

enum { MASK_TARGETS_MAX_SIZE = 64 };

// The masks of all truths of a batch, packed, so that a device can be handed them in one piece.
//
// Those of truth i: polygons polygons[i] to polygons[i + 1], of which the j-th has the corners
// corners[j] to corners[j + 1], x and y of each in points, in pixels of the network's input.
// Without polygons, the pixels of an image of sides[2 i] rows and sides[2 i + 1] columns, column
// after column: they begin as 0 and change between 0 and 1 at the positions changes[k], which
// ascend, for k from runs[i] to runs[i + 1].
struct packed_masks {
    int64_t count;
    int64_t num_polygons, num_corners, num_changes; // in all
    int64_t num_words;                              // of 32 pixels, of all masks of pixels
    const double *points;                           // [num_corners, 2]
    const int32_t *polygons;                        // [count + 1]
    const int32_t *corners;                         // [num_polygons + 1]
    const int32_t *runs;                            // [count + 1]
    const int32_t *sides;                           // [count, 2]
    const int32_t *words;                           // [count + 1]: where the words of each begin
    const uint32_t *changes;                        // [num_changes]
};

struct mask_regions {
    int64_t count;
    const float *boxes;    // [count, 4]
    const int32_t *truths; // [count]: whose mask
};

struct mask_targets_call {
    struct call call;
    struct packed_masks masks;
    struct mask_regions regions;
    int64_t size;
    bool aligned;
    float *targets;
};

// targets[regions, size, size], from 0 to 1. Of pixels: aligned says how RoIAlign counts, and then
// its samples are cut at a half (detectron2); otherwise they stay as they are (torchvision).
void mask_targets_forward(struct nn *nn, const struct packed_masks *masks,
                          const struct mask_regions *regions, int64_t size, bool aligned,
                          float *targets);
