#include "formats/bridge.h"

#include <string.h>

// Pairs of corners to compare at most for a bridge; with more, some are passed over.
static const int64_t MAX_PAIRS = INT64_C(1) << 22;

// With more rings than these, as in noise, bridges go from the end of one ring to the next, near or
// not: looking for near ones, and making room in the middle, would take minutes.
enum { MAX_RINGS = 1000 };

struct path {
    double *points; // x, y
    int64_t count;
};

struct bridge {
    int64_t from; // a corner of the path
    int64_t to;   // a corner of the ring
};

static struct bridge nearest(const struct path *path, const struct polygon *ring) {
    struct bridge best = {path->count - 1, 0};
    double least = -1;
    int64_t stride = 1 + path->count * ring->num_points / MAX_PAIRS;
    for (int64_t i = 0; i < path->count; i += stride) {
        for (int64_t k = 0; k < ring->num_points; k++) {
            double dx = path->points[2 * i] - ring->points[2 * k];
            double dy = path->points[2 * i + 1] - ring->points[2 * k + 1];
            double square = dx * dx + dy * dy;
            if (least >= 0 && square >= least) continue;
            least = square;
            best = (struct bridge){i, k};
        }
    }
    return best;
}

// Opens the path at a corner and inserts the ring, from its corner all round, and the way back.
static void insert(struct path *path, const struct polygon *ring, struct bridge bridge) {
    enum { POINT = 2 * sizeof(double) };
    double *at = path->points + 2 * (bridge.from + 1);
    int64_t num_behind = path->count - bridge.from - 1;
    int64_t first = ring->num_points - bridge.to; // corners from the bridge to the ring's end
    memmove(at + 2 * (ring->num_points + 2), at, (size_t)num_behind * POINT);
    memcpy(at, ring->points + 2 * bridge.to, (size_t)first * POINT);
    memcpy(at + 2 * first, ring->points, (size_t)(bridge.to + 1) * POINT);
    memcpy(at + 2 * (ring->num_points + 1), at - 2, POINT);
    path->count += ring->num_points + 2;
}

enum status bridge_rings(struct polygon *outline, const struct ring *rings, int64_t count,
                         struct arena *arena, struct error *err) {
    int64_t capacity = 0;
    for (int64_t i = 0; i < count; i++)
        capacity += rings[i].polygon.num_points + 2;
    struct path path = {arena_alloc(arena, 2 * capacity, sizeof(double)),
                        rings[0].polygon.num_points};
    if (!path.points) return error_memory(err, "an outline", 16 * capacity);
    memcpy(path.points, rings[0].polygon.points, (size_t)path.count * 2 * sizeof(double));
    for (int64_t i = 1; i < count; i++) {
        const struct bridge last = {path.count - 1, 0};
        insert(&path, &rings[i].polygon,
               count > MAX_RINGS ? last : nearest(&path, &rings[i].polygon));
    }
    *outline = (struct polygon){path.points, path.count};
    return STATUS_OK;
}

int64_t bridge_part_size(const struct ring *rings, int64_t count) {
    int64_t size = 1;
    while (size < count && rings[size].parent >= 0)
        size++;
    return size;
}
