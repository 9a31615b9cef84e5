// Simple plane figures by signed distance: how far a point lies from the outline, negative inside.
// One function serves for masks (the sign at pixel centres), soft edges (the distance as coverage)
// and shadows.
#pragma once

enum shape_kind {
    SHAPE_DISK,
    SHAPE_RING,
    SHAPE_SQUARE,
    SHAPE_TRIANGLE,
    SHAPE_STAR,
    SHAPE_CROSS,
    SHAPE_HEART,
    SHAPE_CRESCENT,
    NUM_SHAPE_CLASSES,
    SHAPE_BAR = NUM_SHAPE_CLASSES, // long and thin; no class of objects
};

const char *shape_name(enum shape_kind kind); // "disk" and so on

struct shape {
    enum shape_kind kind;
    double x; // centre, pixels
    double y;
    double radius; // of a circle that holds the figure, pixels
    double angle;  // radians, clockwise on the screen
};

enum { OUTLINE_MAX_POINTS = 40 };

// A shape made ready for many points.
struct outline {
    struct shape shape;
    double cosine; // of the angle
    double sine;
    double rounding;                      // of corners, pixels
    int num_points;                       // 0: not a polygon
    double points[OUTLINE_MAX_POINTS][2]; // corners, pixels from the centre, before the turn
};

struct outline outline_make(const struct shape *shape);

// Pixels from (x, y) to the outline, negative inside. Exact near the outline; farther off, at least
// never on the wrong side.
double outline_distance(const struct outline *outline, double x, double y);
