#include "data/simplify.h"

#include <math.h>

// A ring while its points are chosen; indices wrap at the end.
struct simplification {
    const double *points; // x, y
    int64_t num_points;
    bool *keep;     // [num_points]
    int64_t *stack; // [2 * num_points + 2], ends of stretches that are not done
    double tolerance;
};

static const double *point(const struct simplification *ring, int64_t i) {
    return ring->points + 2 * (i % ring->num_points);
}

// Distance of point i from the segment between points a and b.
static double distance(const struct simplification *ring, int64_t i, int64_t a, int64_t b) {
    const double *p = point(ring, i);
    const double *begin = point(ring, a);
    const double *end = point(ring, b);
    double dx = end[0] - begin[0];
    double dy = end[1] - begin[1];
    double square = dx * dx + dy * dy;
    double along = 0;
    if (square > 0) along = ((p[0] - begin[0]) * dx + (p[1] - begin[1]) * dy) / square;
    along = fmin(fmax(along, 0), 1);
    return hypot(p[0] - begin[0] - along * dx, p[1] - begin[1] - along * dy);
}

// The point between a and b that is furthest from the segment.
static int64_t furthest(const struct simplification *ring, int64_t a, int64_t b, double *most) {
    int64_t place = a;
    *most = 0;
    for (int64_t i = a + 1; i < b; i++) {
        double d = distance(ring, i, a, b);
        if (d <= *most) continue;
        *most = d;
        place = i;
    }
    return place;
}

// Keeps of the stretch a..b what the tolerance asks for. Each split adds a point, which bounds the
// stack.
static void simplify_stretch(struct simplification *ring, int64_t a, int64_t b) {
    int64_t size = 0;
    ring->stack[size++] = a;
    ring->stack[size++] = b;
    while (size > 0) {
        b = ring->stack[--size];
        a = ring->stack[--size];
        double most = 0;
        int64_t middle = furthest(ring, a, b, &most);
        if (most <= ring->tolerance) continue;
        ring->keep[middle % ring->num_points] = true;
        ring->stack[size++] = a;
        ring->stack[size++] = middle;
        ring->stack[size++] = middle;
        ring->stack[size++] = b;
    }
}

// A closed ring is cut at its first point and at the one furthest from that; a long one into
// pieces, since the time for one piece may grow with the square of its points.
static void simplify_ring(struct simplification *ring) {
    enum { PIECE = 1024 };
    int64_t count = ring->num_points;
    for (int64_t i = 0; i < count; i++)
        ring->keep[i] = false;
    double most = 0;
    int64_t end = count > PIECE ? PIECE : furthest(ring, 0, count, &most);
    if (end == 0) end = count; // all points are one
    for (int64_t begin = 0; begin < count; begin = end, end += PIECE) {
        if (begin > 0 && (count <= PIECE || end > count)) end = count;
        ring->keep[begin] = true;
        simplify_stretch(ring, begin, end);
    }
}

enum status polygon_simplify(struct polygon *simple, const struct polygon *polygon,
                             double tolerance, struct arena *arena, struct error *err) {
    int64_t count = polygon->num_points;
    struct simplification ring = {
        .points = polygon->points,
        .num_points = count,
        .keep = arena_alloc(arena, count, sizeof *ring.keep),
        .stack = arena_alloc(arena, 4 * count + 4, sizeof *ring.stack),
        .tolerance = tolerance,
    };
    double *kept = arena_alloc(arena, 2 * count, sizeof *kept);
    if (!ring.keep || !ring.stack || !kept) return error_memory(err, "an outline", count * 49);
    *simple = (struct polygon){kept, 0};
    if (count == 0) return STATUS_OK;
    simplify_ring(&ring);
    for (int64_t i = 0; i < count; i++) {
        if (!ring.keep[i]) continue;
        *kept++ = polygon->points[2 * i];
        *kept++ = polygon->points[2 * i + 1];
        simple->num_points++;
    }
    return STATUS_OK;
}
