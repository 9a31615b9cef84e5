// Polygons to masks and back.
#pragma once

#include "data/rle.h"

enum { POLYGON_MAX_COORDINATE = 1 << 24 }; // pixels; further out is refused as an error

// num_points corners, x0 y0 x1 y1 ..., in pixels; pixel (0, 0) covers [0, 1) x [0, 1). Closed: the
// last point joins the first.
struct polygon {
    const double *points;
    int64_t num_points;
};

// The mask of one polygon, bit-exact with COCO (cocoapi, rleFrPoly): corners snapped to a grid of
// 1/5 pixel, edges walked on that grid, columns filled between crossings.
MUST_CHECK enum status polygon_to_rle(struct rle *rle, const struct polygon *polygon,
                                      int32_t height, int32_t width, struct arena *arena,
                                      struct error *err);

// The union of all parts of an object (frPyObjects, then merge).
MUST_CHECK enum status polygons_to_rle(struct rle *rle, const struct polygon *polygons,
                                       int64_t count, int32_t height, int32_t width,
                                       struct arena *arena, struct error *err);

// Four corners, x and y, in the order in which COCO draws a box.
enum { BOX_CORNER_NUMBERS = 8 };
void box_corners(double corners[BOX_CORNER_NUMBERS], const struct coco_box *box);

// The mask of a box as COCO draws it: the polygon of its four corners (cocoapi, rleFrBbox).
MUST_CHECK enum status box_to_rle(struct rle *rle, const struct coco_box *box, int32_t height,
                                  int32_t width, struct arena *arena, struct error *err);

// The outlines of a mask along pixel borders, one closed ring per 4-connected border. Outer rings
// run clockwise (as seen on the screen, y down), holes counter-clockwise, and each hole follows the
// outer ring that holds it; parent is the index of that ring, or -1 for an outer ring. A ring
// begins at the leftmost of its corners, the topmost one of these.
struct ring {
    struct polygon polygon;
    int64_t parent;
};

MUST_CHECK enum status rle_to_rings(const struct rle *rle, struct ring **rings, int64_t *count,
                                    struct arena *arena, struct error *err);
