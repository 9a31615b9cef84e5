// The masks of objects as training is given them, and packed for the operation that cuts targets
// out of them.
#pragma once

#include "data/polygon.h"
#include "nn/mask_targets/mask_targets.h"

// The mask of an object in the frame of the resized image: polygons, or pixels.
struct object_mask {
    const struct polygon *polygons; // united; they may reach out of the image
    int64_t num_polygons;           // 0: the mask is rle
    struct rle rle;                 // as large as the resized image
};

// Hands masks[count] over to the device, in step memory. The program does not wait.
void object_masks_pack(struct nn *nn, const struct object_mask *masks, int64_t count,
                       struct packed_masks *packed);
