// What is to be found in a training image: the objects of an image of a dataset, as they are in the
// network's input.
#pragma once

#include "detector/losses.h"
#include "train/augment.h"
#include "train/dataset.h"

// Fills *truth in arena. Boxes are clipped to what the view shows; objects of which it leaves less
// than a pixel in width or height are dropped, so that there may be none.
//
// Masks are polygons in the frame of the input where the conventions and the data want it so
// (detectron2). Otherwise they are pixels: drawn in the image, then mirrored, resized to the
// nearest pixel and cut (torchvision, detection/transform.py; detectron2's masks as bitmaps).
MUST_CHECK enum status truths_make(struct image_truth *truth, const struct dataset_image *image,
                                   const struct view *view, const struct conventions_rules *rules,
                                   struct arena *arena, struct error *err);
