// How the outline of a polygon becomes the pixels of a mask, exactly as COCO does it (cocoapi,
// rleFrPoly), for every device. Corners are snapped to a grid of 1/5 pixel and COCO walks from each
// to the next on that grid; where the walk steps across the middle of a pixel column, from grid
// column 5k + 2 to 5k + 3 or back, the column changes between outside and inside. Here only these
// steps are computed, with the same arithmetic, so an edge costs as much as it crosses columns.
//
// All grid columns that matter are positive; left of the canvas the truncation toward zero makes no
// difference. Equality with COCO's walk is certain up to 2^21 pixels; further out its grid column
// may jump by 2 between two steps, when rounding adds up, and then it loses the step.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/host_device.h"

enum {
    OUTLINE_GRID = 5,          // steps to a pixel
    OUTLINE_BEFORE_MIDDLE = 2, // the middle of a pixel lies between this step and the next
};

struct outline_point {
    int32_t x, y; // in steps
};

// A part of the outline, and which pixel columns' middles it crosses: first..last, none if first is
// greater.
struct outline_edge {
    struct outline_point from, to;
    int32_t first, last;
};

HOST_DEVICE static inline struct outline_point outline_snap(double x, double y) {
    struct outline_point point = {(int32_t)((int)OUTLINE_GRID * x + 0.5),
                                  (int32_t)((int)OUTLINE_GRID * y + 0.5)};
    return point;
}

HOST_DEVICE static inline struct outline_edge
outline_edge_between(struct outline_point from, struct outline_point to, int32_t width) {
    int32_t left = from.x < to.x ? from.x : to.x;
    int32_t right = from.x < to.x ? to.x : from.x;
    // The least k with left <= 5k + 2, the greatest k with 5k + 3 <= right.
    int32_t first =
        left <= OUTLINE_BEFORE_MIDDLE ? 0 : (left + OUTLINE_BEFORE_MIDDLE) / OUTLINE_GRID;
    int32_t last =
        right <= OUTLINE_BEFORE_MIDDLE ? -1 : (right - OUTLINE_BEFORE_MIDDLE - 1) / OUTLINE_GRID;
    if (last >= width) last = width - 1;
    struct outline_edge edge = {from, to, first, last};
    return edge;
}

// An edge that crosses some column, as it is walked: COCO steps along the longer of its sides and
// rounds the other coordinate.
struct outline_walk {
    struct outline_point from; // the end with the smaller coordinate of the longer side
    bool shallow;              // at least as wide as high
    bool rises;                // the other coordinate does
    int32_t num_steps;
    double slope, inverse;
};

HOST_DEVICE static inline struct outline_walk outline_walk_of(const struct outline_edge *edge) {
    int32_t width = edge->to.x - edge->from.x;
    int32_t height = edge->to.y - edge->from.y;
    bool shallow = (width < 0 ? -width : width) >= (height < 0 ? -height : height);
    bool flip = (shallow ? width : height) < 0;
    struct outline_walk walk = {flip ? edge->to : edge->from, shallow, false, 0, 0, 0};
    if (flip) width = -width;
    if (flip) height = -height;
    walk.num_steps = shallow ? width : height;
    walk.slope = shallow ? (double)height / width : (double)width / height;
    if (!shallow) walk.inverse = height / (double)width;
    walk.rises = walk.slope > 0;
    return walk;
}

// Of the two steps round the middle the one higher up.
HOST_DEVICE static inline int32_t outline_shallow_step(const struct outline_walk *walk,
                                                       int32_t column) {
    int32_t middle = OUTLINE_GRID * column + OUTLINE_BEFORE_MIDDLE;
    int32_t step = middle - walk->from.x + (walk->slope < 0);
    return (int32_t)(walk->from.y + walk->slope * step + 0.5);
}

// The step that first reaches the other side of the middle is computed and then corrected, since
// the rounding of x decides.
HOST_DEVICE static inline int32_t outline_steep_step(const struct outline_walk *walk,
                                                     int32_t column) {
    int32_t middle = OUTLINE_GRID * column + OUTLINE_BEFORE_MIDDLE;
    double beyond = middle + 1;
    double from = walk->from.x;
    int32_t step = (int32_t)((middle + 0.5 - from) * walk->inverse) + 1;
    while (step > 1 && (from + walk->slope * (step - 1) + 0.5 >= beyond) == walk->rises)
        step--;
    while (step < walk->num_steps && (from + walk->slope * step + 0.5 >= beyond) != walk->rises)
        step++;
    return walk->from.y + step - 1;
}

// The pixel row from which on a column that the edge crosses is inside instead of outside, or the
// other way round; height if that is below all rows.
HOST_DEVICE static inline int32_t outline_row(const struct outline_walk *walk, int32_t column,
                                              int32_t height) {
    int32_t y =
        walk->shallow ? outline_shallow_step(walk, column) : outline_steep_step(walk, column);
    int32_t row = y <= OUTLINE_BEFORE_MIDDLE ? 0 : (y + OUTLINE_BEFORE_MIDDLE) / OUTLINE_GRID;
    return row < height ? row : height;
}
