// What the tests of whole detectors share: a small model with made-up weights that finds much in
// noise.
#pragma once

#include "data/image.h"
#include "detector/detect.h"

struct small_model {
    struct arena arena;
    struct model_config config;
    struct mask_rcnn model;
};

enum { SMALL_SIDE = 96, SMALL_LONG_SIDE = 160 }; // what images are resized to

// settings: more assignments as NAME, VALUE, NAME, VALUE, NULL. Weights follow from the seed.
void small_model_build(struct small_model *small, const char *const *settings, uint64_t seed);
void small_model_destroy(struct small_model *small);

// Gates that are not the identity.
void small_model_open_gates(struct small_model *small, uint64_t seed);

// Smooth noise.
struct image noise_image(int32_t width, int32_t height, uint64_t seed, struct arena *arena);

// To the last bit.
bool same_detections(const struct detection_list *a, const struct detection_list *b);
