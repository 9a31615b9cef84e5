// What bench/train's programs train on: images of noise with a few objects each, the same in C and
// in Python (bench/peer_train_scene.py), because all of it follows from formulas.
//
// A fresh network proposes next to no region that is an object, and training would leave the mask
// head idle. So scene_attach makes the network find what a trained one finds: beside its own
// proposals, many that lie round each object, so that a quarter of the sampled regions are objects.
#pragma once

#include "detector/losses.h"

enum {
    SCENE_OBJECTS = 8,    // in an image
    SCENE_PROPOSALS = 50, // round each object
    SCENE_CLASSES = 90,
};

struct scene {
    int64_t num_images;
    struct extent padded;       // the network's input
    struct extent *extents;     // [num_images], all the same
    struct image_truth *truths; // [num_images]
};

// Everything lives in arena.
MUST_CHECK enum status scene_make(struct scene *scene, int64_t num_images, struct extent extent,
                                  struct arena *arena, struct error *err);

// Fills the network's input, [num_images, padded.height, padded.width, 3].
void scene_fill_input(const struct scene *scene, float *input);

// From now on rpn_propose adds the scene's proposals; NULL: no more. Needs the linker's
// --wrap=rpn_propose.
void scene_attach(const struct scene *scene);
