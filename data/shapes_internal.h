// Between shapes.c (composing), shapes_paint.c and shapes_label.c.
#pragma once

#include "base/random.h"
#include "data/shapes.h"

// What random numbers are drawn for. Each use has a stream of its own, so that the picture does not
// change when, say, labelling draws one number more.
enum scene_use { SCENE_COMPOSING, SCENE_LABELLING, SCENE_GUESSING, SCENE_SIZING };
enum { SCENE_USE_BITS = 2 };

struct random shape_scene_random(uint64_t seed, uint64_t number, enum scene_use use);
