// Pictures of simple shapes with exact labels, drawn from random numbers: data for tests, demos and
// first trainings that needs no download.
//
// A scene is composed first (what lies where, what hides what), then painted and labelled. A pixel
// belongs to the topmost object that covers its centre, so masks, boxes and areas are exact. What
// is drawn is labelled: an object that would be almost hidden is never placed. Bars, which have no
// label, lie across and split objects into parts. Everything follows from the seed and the
// scene's number.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "data/coco.h"
#include "data/image.h"
#include "data/shape.h"

enum {
    SCENE_MIN_SIDE = 32,
    SCENE_MAX_SIDE = 4096,
    SCENE_MAX_OBJECTS = 24,
};

struct color {
    float red, green, blue; // 0..1
};

enum texture { TEXTURE_PLAIN, TEXTURE_STRIPES, TEXTURE_DOTS, TEXTURE_CHECKS, TEXTURE_RINGS };

struct surface {
    enum texture texture;
    struct color first;
    struct color second;
    double period; // of the texture, pixels
    double angle;  // of stripes and checks, radians
};

struct shape_object {
    enum shape_kind kind;
    bool is_crowd;            // a cluster of tiny shapes
    struct outline *outlines; // back to front
    int64_t num_outlines;     // 1 but for crowds
    int64_t num_pixels;       // covered when it was placed
    int64_t num_visible;      // not hidden by later objects
    struct surface surface;
};

enum backdrop_kind {
    BACKDROP_GRADIENT,
    BACKDROP_GLOW,
    BACKDROP_CLOUDS,
    BACKDROP_STRIPES,
    BACKDROP_CHECKS,
    NUM_BACKDROPS
};

struct backdrop {
    enum backdrop_kind kind;
    struct color first;
    struct color second;
    double period; // pixels
    double angle;
    uint32_t noise_seed;
};

// How much there is to see in a scene.
enum shape_style {
    SHAPES_RICH,  // textures, overlaps, crowds, bars that hide, scenes without objects
    SHAPES_PLAIN, // one to five objects of one colour that stand alone: learnt in minutes
};

struct shape_scene {
    uint64_t seed;
    uint64_t number;
    int32_t width;
    int32_t height;
    struct backdrop backdrop;
    struct shape_object objects[SCENE_MAX_OBJECTS]; // back to front
    int num_objects;
    uint8_t *owner; // [height, width]: 0 for the backdrop, else 1 + the object on top
};

// The class ids of the labels are 1 + enum shape_kind.
struct coco_category shape_category(enum shape_kind kind);

// A size for a scene, each side drawn evenly from min_side..max_side.
void shape_scene_draw_size(uint64_t seed, uint64_t number, int32_t min_side, int32_t max_side,
                           int32_t *width, int32_t *height);

// Scene number (below 2^60) of the sequence that belongs to seed. Sides lie in
// SCENE_MIN_SIDE..SCENE_MAX_SIDE.
MUST_CHECK enum status shape_scene_compose(struct shape_scene *scene, enum shape_style style,
                                           uint64_t seed, uint64_t number, int32_t width,
                                           int32_t height, struct arena *arena, struct error *err);

// The picture: soft edges, shading, shadows.
MUST_CHECK enum status shape_scene_paint(struct image *image, const struct shape_scene *scene,
                                         struct arena *arena, struct error *err);

// The truth. Objects with holes are labelled as RLE, the others as polygons or as RLE in either
// form; crowds as uncompressed RLE. Polygons run along pixel borders and rasterise to the exact
// mask. id and image_id of the annotations are left 0.
MUST_CHECK enum status shape_scene_label(const struct shape_scene *scene,
                                         struct coco_annotation **labels, int64_t *count,
                                         struct arena *arena, struct error *err);

// What a detector of the given quality might say, 0 (poor) to 1 (the truth itself): shapes are
// displaced, turned, scaled, missed, taken for another class, found twice or found where there is
// nothing. Fills category, box, mask (compressed RLE) and score.
MUST_CHECK enum status shape_scene_guess(const struct shape_scene *scene, double quality,
                                         struct coco_annotation **guesses, int64_t *count,
                                         struct arena *arena, struct error *err);
