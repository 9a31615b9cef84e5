#include "data/shape.h"

#include <math.h>
#include <stdbool.h>

#include "base/check.h"

static const double pi = 3.14159265358979323846;

// All measures below are for a radius of 1.
static const double ring_middle = 0.74;
static const double ring_half_width = 0.26;
static const double square_half = 0.70;
static const double star_inner = 0.46;
static const double cross_half_length = 0.94;
static const double cross_half_width = 0.30;
static const double crescent_bite_radius = 0.94;
static const double crescent_bite_offset = 0.56;
static const double bar_half_length = 0.999;
static const double bar_half_width = 0.04;
static const double corner_rounding = 0.05;

const char *shape_name(enum shape_kind kind) {
    static const char *const names[] = {"disk",  "ring",  "square",   "triangle", "star",
                                        "cross", "heart", "crescent", "bar"};
    CHECK((unsigned)kind < sizeof names / sizeof *names);
    return names[kind];
}

static void add_point(struct outline *outline, double x, double y) {
    CHECK(outline->num_points < OUTLINE_MAX_POINTS);
    // Rounding moves the outline outward, so corners start that much farther in.
    double scale = outline->shape.radius * (1 - corner_rounding);
    outline->points[outline->num_points][0] = x * scale;
    outline->points[outline->num_points][1] = y * scale;
    outline->num_points++;
}

// count corners on the unit circle; every second one nearer by the factor inner.
static void add_circle(struct outline *outline, int count, double inner) {
    for (int i = 0; i < count; i++) {
        double angle = 2 * pi * i / count - pi / 2;
        double radius = i % 2 == 1 ? inner : 1;
        add_point(outline, radius * cos(angle), radius * sin(angle));
    }
}

static void add_cross(struct outline *outline) {
    const double a = cross_half_length;
    const double b = cross_half_width;
    const double corners[12][2] = {{-b, -a}, {b, -a}, {b, -b}, {a, -b}, {a, b},   {b, b},
                                   {b, a},   {-b, a}, {-b, b}, {-a, b}, {-a, -b}, {-b, -b}};
    for (int i = 0; i < 12; i++)
        add_point(outline, corners[i][0], corners[i][1]);
}

// The classic curve (16 sin^3 t, 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t), moved and scaled to fit
// the circle.
static void add_heart(struct outline *outline) {
    for (int i = 0; i < OUTLINE_MAX_POINTS; i++) {
        double t = 2 * pi * i / OUTLINE_MAX_POINTS;
        double x = 16 * pow(sin(t), 3);
        double y = 13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t);
        add_point(outline, x / 17, -(y + 0.1) / 17);
    }
}

struct outline outline_make(const struct shape *shape) {
    struct outline outline = {
        .shape = *shape,
        .cosine = cos(shape->angle),
        .sine = sin(shape->angle),
        .rounding = corner_rounding * shape->radius,
    };
    switch (shape->kind) {
    case SHAPE_TRIANGLE:
        add_circle(&outline, 3, 1);
        break;
    case SHAPE_STAR:
        add_circle(&outline, 10, star_inner);
        break;
    case SHAPE_CROSS:
        add_cross(&outline);
        break;
    case SHAPE_HEART:
        add_heart(&outline);
        break;
    case SHAPE_SQUARE:
    case SHAPE_DISK:
    case SHAPE_RING:
    case SHAPE_CRESCENT:
    case SHAPE_BAR:
        break;
    }
    return outline;
}

// Distance to the nearest edge; the sign from the parity of edges to the right of the point.
static double polygon_distance(const struct outline *outline, double x, double y) {
    double nearest = HUGE_VAL; // squared
    bool inside = false;
    const double(*p)[2] = outline->points;
    for (int i = 0, j = outline->num_points - 1; i < outline->num_points; j = i++) {
        double edge_x = p[j][0] - p[i][0];
        double edge_y = p[j][1] - p[i][1];
        double to_x = x - p[i][0];
        double to_y = y - p[i][1];
        double along = (to_x * edge_x + to_y * edge_y) / (edge_x * edge_x + edge_y * edge_y);
        along = fmin(fmax(along, 0), 1);
        double off_x = to_x - along * edge_x;
        double off_y = to_y - along * edge_y;
        nearest = fmin(nearest, off_x * off_x + off_y * off_y);
        bool crosses = (p[i][1] > y) != (p[j][1] > y);
        if (crosses && to_x < edge_x * to_y / edge_y) inside = !inside;
    }
    return inside ? -sqrt(nearest) : sqrt(nearest);
}

static double box_distance(double x, double y, double half_width, double half_height) {
    double out_x = fabs(x) - half_width;
    double out_y = fabs(y) - half_height;
    double outside = hypot(fmax(out_x, 0), fmax(out_y, 0));
    return outside + fmin(fmax(out_x, out_y), 0);
}

double outline_distance(const struct outline *outline, double x, double y) {
    double from_x = x - outline->shape.x;
    double from_y = y - outline->shape.y;
    double u = outline->cosine * from_x + outline->sine * from_y;
    double v = outline->cosine * from_y - outline->sine * from_x;
    double radius = outline->shape.radius;
    switch (outline->shape.kind) {
    case SHAPE_DISK:
        return hypot(u, v) - radius;
    case SHAPE_RING:
        return fabs(hypot(u, v) - ring_middle * radius) - ring_half_width * radius;
    case SHAPE_SQUARE: {
        double half = square_half * radius - outline->rounding;
        return box_distance(u, v, half, half) - outline->rounding;
    }
    case SHAPE_CRESCENT:
        return fmax(hypot(u, v) - radius,
                    crescent_bite_radius * radius - hypot(u - crescent_bite_offset * radius, v));
    case SHAPE_BAR:
        return box_distance(u, v, bar_half_length * radius, bar_half_width * radius);
    case SHAPE_TRIANGLE:
    case SHAPE_STAR:
    case SHAPE_CROSS:
    case SHAPE_HEART:
        return polygon_distance(outline, u, v) - outline->rounding;
    }
    CHECK(false); // a kind without a distance
    return 0;
}
